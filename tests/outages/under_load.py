"""Repeat each fault under load, and count what the clients saw and what was lost.

    python -m tests.outages.under_load --database postgresql --times 10 --clients 16

It starts servers of its own for each fault, and prints one table. It exits 1 if something acknowledged was lost or
recorded twice, if a ciphertext does not decrypt, if the log does not verify, or if a client does not recover.
``disk`` mounts a small tmpfs, so it needs root. The faults of a clock need libfaketime.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.outages import faults
from tests.outages.faults import Fault
from tests.outages.load import MeasuredLoad
from tests.outages.target import Target, start
from tests.outages.verdict import judge, row, table
from tests.output import log
from tests.services.processes import ends_like_a_signal

NORMAL_SECONDS = 1.0  # of normal service before each fault
POSTGRESQL = "postgresql"


@dataclass(frozen=True)
class Case:
    """``faults`` take turns. Each lasts ``seconds``. The others are the arguments of ``tests.outages.target.start``."""

    faults: Sequence[Fault]
    seconds: float
    disk_size: str = ""
    has_redis: bool = False
    clock_of: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def no_fault(_target: Target) -> Iterator[None]:
    """For comparison."""
    yield


CLOCK = (faults.clock_ahead, faults.clock_behind)
OF_BOTH = {
    "none": Case([no_fault], 4),
    "redis-killed": Case([faults.killed_redis], 4, has_redis=True),
    "redis-emptied": Case([faults.emptied_redis], 1, has_redis=True),
    "redis-paused": Case([faults.paused_redis], 4, has_redis=True),
    "disk": Case([faults.full_disk], 4, disk_size="768m"),
    "worker": Case([faults.killed_worker], 0, environment={"CC_JOB_LEASE_SECONDS": "8"}),
    "clock": Case(CLOCK, 4, clock_of="server"),
}
OF_POSTGRESQL = {
    "database-killed": Case([faults.killed_database], 2),
    "database-restarted": Case([faults.restarted_database], 0),
    "database-unreachable": Case([faults.hanging_database], 4),
    "connections": Case([faults.used_up_connections], 4),
    "database-clock": Case(CLOCK, 4, clock_of=POSTGRESQL),
}
CASES = {"sqlite": OF_BOTH, POSTGRESQL: OF_BOTH | OF_POSTGRESQL}


def main() -> int:
    """Return 0 if nothing was lost and every client recovered from every fault."""
    options = parse()
    rows, is_well = [], True
    with ends_like_a_signal():
        for name in options.faults:
            cells, was_well = play(name, CASES[options.database][name], options)
            rows.append(cells)
            is_well &= was_well
            log(f"{options.database}: {' | '.join(cells)}")
    log(f"\n{options.database}, {options.clients} clients\n\n{table(rows)}")
    return 0 if is_well else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=CASES, default="sqlite")
    parser.add_argument("--faults", default="", help=f"comma-separated, of {', '.join(CASES[POSTGRESQL])}")
    parser.add_argument("--times", type=int, default=10, help="of each fault")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    known = CASES[options.database]
    options.faults = options.faults.split(",") if options.faults else list(known)
    if unknown := set(options.faults) - set(known):
        parser.error(f"unknown faults of {options.database}: {', '.join(sorted(unknown))}")
    return options


def play(name: str, case: Case, options: argparse.Namespace) -> tuple[list[str], bool]:
    """Repeat the fault on one server. Return the cells of its row, and whether all is well."""
    recoveries: list[float] = []
    with contextlib.ExitStack() as stack:
        target = start(
            stack,
            options.database,
            case.environment,
            disk_size=case.disk_size,
            has_redis=case.has_redis,
            clock_of=case.clock_of,
        )
        with MeasuredLoad(target.product, clients=options.clients) as load:
            for number in range(options.times):
                load.wait_for_everyone(time.monotonic() + NORMAL_SECONDS)
                began = time.monotonic()
                with case.faults[number % len(case.faults)](target):
                    time.sleep(case.seconds)
                ended = time.monotonic() if case.seconds else began
                recoveries.append(load.wait_for_everyone(ended))
        verdict = judge(target.product, target.product, load)
    log(f"{name}: {load.refusals()}")
    for violation in verdict.all[:20]:
        log(f"  {violation}")
    return row(name, options.times, load, recoveries, verdict), not verdict.all


if __name__ == "__main__":
    sys.exit(main())
