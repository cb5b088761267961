"""Measures the cost of a grown database: the rates with an empty and a full one, and the reads of the full one.

    CC_TEST_DURABLE=1 python -m tests.services python -m bench.growth

The rates are those of single encryptions and decryptions over 32 connections. One empty database is measured before
the full one, and another one after it. The full one is compared with the median of both. ``bench.filling`` adds
100,000 keys and 10 million entries, which takes fifteen minutes and 12 GB.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import explain, filling, load, machine, reads, report
from bench.contestant import DECRYPT, ENCRYPT, check
from bench.explain import Plan
from bench.figures import FAST_PATH, SPEED_OF_GROWN
from bench.load import Load
from bench.product import CipherCanary, running
from bench.reads import Wait
from bench.requests import Refused
from bench.singles import Pace, measure_one
from bench.table import HEADINGS, Figure, Goal, markdown, number, ratio_of, terminal
from tests.product import Failed, Product
from tests.services.processes import ends_like_a_signal

CONNECTIONS = 32
OPERATIONS = (ENCRYPT, DECRYPT)  # the last one writes the newest entries, which the reads find first
TAIL = Goal(60, unit="ms", lower=True)

type Loads = dict[str, Load]
"""By operation."""


@dataclass(frozen=True)
class Growth:
    """The rates of the two empty databases and of the full one, and the reads of the full one."""

    empty: Sequence[Loads]
    full: Loads
    waits: dict[str, Wait]
    plans: Sequence[Plan]


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        with ExitStack() as stack, ends_like_a_signal():
            machine.require_programs("wrk")
            machine.require_durable(os.environ["DATABASE_URL"])
            folder = stack.enter_context(machine.private_folder())
            found = measure(options, folder)
    except (machine.Unfit, Failed, Refused) as reason:
        sys.stderr.write(f"bench.growth: {reason}\n")
        return 1
    rows = [figure.cells() for figure in figures(found, options.entries)]
    indexes = [plan.cells() for plan in found.plans]
    print(f"\n{terminal(HEADINGS, rows)}\n{terminal(explain.HEADINGS, indexes)}")
    if options.write:
        report.write(markdown(HEADINGS, rows), report.GROWTH)
        report.write(markdown(explain.HEADINGS, indexes), report.INDEXES)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entries", type=int, default=10_000_000, help="of the audit log (10000000)")
    parser.add_argument("--seconds", type=int, default=8, help="of each load (8)")
    parser.add_argument("--repeats", type=int, default=3, help="of each load; medians are shown (3)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {report.PAGE.name}")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, folder: Path) -> Growth:
    pace = Pace(options.seconds, 2, options.repeats)
    with running(FAST_PATH, folder / "growing", "protocol") as server:
        before = loads_of(server, pace, "empty")
        server.product.stop()
        before_entries = filling.fill(server.product.database, options.entries, log)
        server.product.start()
        full = loads_of(server, pace, "full")
        asked = reads.reads(server.key_id, options.entries, before_entries)
        tokens = {False: server.product.token(), True: server.token}
        callers = {own: {"Authorization": f"Bearer {token}"} for own, token in tokens.items()}
        waits = {read.what: reads.measure(server.product, read.path, callers[read.is_own]) for read in asked}
        server.product.stop()
        plans = explained(server.product, asked)
    with running(FAST_PATH, folder / "empty", "protocol") as server:
        after = loads_of(server, pace, "empty")
    return Growth((before, after), full, waits, plans)


def loads_of(server: CipherCanary, pace: Pace, what: str) -> Loads:
    check(server)
    middles = {}
    for operation in OPERATIONS:
        runs = [measure_one(server, operation, CONNECTIONS, pace) for _ in range(pace.repeats)]
        middles[operation] = middle = load.median_of(runs)
        log(
            f"{what:<6} {operation:<8} {middle.rate:>9,.0f}/s  p95 {middle.p95:8.2f} ms, {middle.errors} errors"
        )
    return middles


def explained(product: Product, asked: Sequence[reads.Read]) -> list[Plan]:
    """The plans of the stopped product's queries, which this process runs in its place."""
    os.environ |= product.environment | {
        "DJANGO_SETTINGS_MODULE": "ciphercanary.settings",
        "LOG_LEVEL": "CRITICAL",
    }
    import django
    from django.db import connection

    django.setup()
    try:
        return explain.plans(asked, "bench", f"127.0.0.1:{product.port}")
    finally:
        connection.close()
        connection.close_pool()


def figures(found: Growth, entries: int) -> list[Figure]:
    size = f"with {filling.KEYS:,} keys and {entries:,} entries"
    rates = [figure for operation in OPERATIONS for figure in figures_of(found, operation, size)]
    waits = [
        Figure(f"{name}: p95", TAIL, wait.p95, measured=f"{number(wait.p95)} ms (p50 {number(wait.p50)})")
        for name, wait in found.waits.items()
    ]
    return [*rates, *waits]


def figures_of(found: Growth, operation: str, size: str) -> list[Figure]:
    what, full = f"{operation}, c={CONNECTIONS}, {size}", found.full[operation]
    empty = [loads[operation] for loads in found.empty]
    errors = full.errors + sum(one.errors for one in empty)
    rate, tail = (compared(full, empty, kind, unit) for kind, unit in (("rate", "/s"), ("p95", " ms")))
    return [
        Figure(f"{what}: rate", SPEED_OF_GROWN, rate[-1], errors, *rate),
        Figure(f"{what}: p95", Goal(None), None, errors, *tail, why=""),
    ]


def compared(full: Load, empty: Sequence[Load], kind: str, unit: str) -> tuple[str, str, float | None]:
    """The measured value, the value it is compared with, and their ratio."""
    measured, each = getattr(full, kind), [getattr(one, kind) for one in empty]
    middle = median(each)
    details = ", ".join(map(number, each))
    return (
        f"{number(measured)}{unit}",
        f"empty {number(middle)}{unit} ({details})",
        ratio_of(measured, middle),
    )


def log(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
