"""Measures the cost of an entry of the audit log: bytes and WAL in PostgreSQL, and CPU time.

    CC_TEST_DURABLE=1 CC_TEST_SOCKET=1 python -m tests.services python -m bench.storage
    CC_TEST_DURABLE=1 CC_TEST_SOCKET=1 python -m tests.services python -m bench.storage --sustained 30

The first measures one connection, many connections with one key, and the Zipf mix. The second measures many minutes
over 256 connections, and halves them if the sequencer does not follow.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg

from bench import load, machine, mix, sustained
from bench.contestant import ENCRYPT, MIX, check
from bench.figures import FAST_PATH
from bench.growth import log
from bench.log_costs import HEADINGS, Meter
from bench.product import running
from bench.requests import Refused, Request
from bench.sustained import Sustained
from bench.table import markdown
from tests.product import Failed
from tests.services.processes import ends_like_a_signal

ONE_KEY = (1, 32, 256)  # connections
WARM_UP_SECONDS = 2


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        with ExitStack() as stack, ends_like_a_signal():
            machine.require_programs("wrk")
            machine.require_durable(os.environ["DATABASE_URL"])
            folder = stack.enter_context(machine.private_folder())
            ours = stack.enter_context(running(FAST_PATH, folder / "product", "protocol"))
            connection = stack.enter_context(psycopg.connect(ours.product.database, autocommit=True))
            check(ours)
            meter = Meter(ours, connection)
            if options.sustained:
                print(sustain(meter, options.sustained, folder))
            else:
                print(f"\n{markdown(HEADINGS, measure(meter, options.seconds))}")
    except (machine.Unfit, Failed, Refused) as reason:
        sys.stderr.write(f"bench.storage: {reason}\n")
        return 1
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.storage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each load (60)")
    parser.add_argument(
        "--sustained", type=int, nargs="?", const=30, metavar="MINUTES", help="one load of many minutes (30)"
    )
    return parser.parse_args(arguments)


def measure(meter: Meter, seconds: int) -> Iterator[list[str]]:
    """One row for each load."""
    for connections in ONE_KEY:
        yield cost_of(meter, ENCRYPT, connections, seconds)
    meter.ours.add_mix()
    mix.warm_up(meter.ours.request(MIX))
    for connections in mix.CONNECTIONS:
        yield cost_of(meter, MIX, connections, seconds)


def cost_of(meter: Meter, operation: str, connections: int, seconds: int) -> list[str]:
    request = warmed_up(meter, operation, connections)
    cost = meter.cost_of(lambda: load.run(request, connections, seconds))
    cells = cost.cells(f"{operation}, c={connections}")
    log("  ".join(cells))
    return cells


def warmed_up(meter: Meter, operation: str, connections: int) -> Request:
    request = meter.ours.request(operation)
    load.run(request, connections, WARM_UP_SECONDS)
    meter.ours.settle()
    return request


def sustain(meter: Meter, minutes: int, folder: Path) -> str:
    warmed_up(meter, ENCRYPT, sustained.CONNECTIONS)
    seen = Sustained(meter, log)
    cost = meter.cost_of(lambda: seen.run(minutes, folder))
    costs = markdown(HEADINGS, [cost.cells(f"{ENCRYPT}, c={seen.connections}")])
    memory = markdown(sustained.HEADINGS, sustained.memory_rows(seen.memory))
    return f"\n{costs}\n{memory}\nlag at most {max(seen.lags):.2f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
