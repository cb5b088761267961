"""Repeat each fault under load, and count what the clients saw and what was lost.

    python -m campaigns.outages.under_load --database postgresql --times 10 --clients 16

It starts servers of its own for each fault, and prints one table. It exits 1 if something acknowledged was lost or
recorded twice, if a ciphertext does not decrypt, if the log does not verify, or if a client does not recover.
``disk`` mounts a small tmpfs, so it needs root. The faults of a clock need libfaketime.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.outages import faults
from campaigns.outages.faults import Fault
from campaigns.outages.load import MeasuredLoad
from campaigns.outages.target import Target, start
from campaigns.outages.verdict import Played, judge, row, table
from tests.output import log
from tests.services.processes import ends_like_a_signal

NORMAL_SECONDS = 1.0  # of normal service before each fault
POSTGRESQL = "postgresql"


@contextlib.contextmanager
def no_fault(_target: Target) -> Iterator[None]:
    """For comparison."""
    yield


@dataclass(frozen=True)
class Case:
    """``faults`` take turns, and each lasts ``seconds``. 0: the recovery includes the fault itself."""

    faults: Sequence[Fault]
    seconds: float


@dataclass(frozen=True)
class Group:
    """Cases on one server, and the arguments of ``campaigns.outages.target.start`` for it."""

    cases: Mapping[str, Case]
    arguments: Mapping[str, Any]


CLOCK = Case([faults.clock_ahead, faults.clock_behind], 4)
OF_BOTH = {
    "none": Case([no_fault], 4),
    "redis-killed": Case([faults.killed_redis], 4),
    "redis-emptied": Case([faults.emptied_redis], 1),
    "redis-paused": Case([faults.paused_redis], 4),
    "worker": Case([faults.killed_worker], 0),
}
OF_POSTGRESQL = {
    "database-killed": Case([faults.killed_database], 2),
    "database-restarted": Case([faults.restarted_database], 0),
    "database-paused": Case([faults.hanging_database], 4),
    "standby": Case([faults.lost_standby], 8),
    "connections": Case([faults.used_up_connections], 4),
}
WITH_REDIS = {"has_redis": True, "environment": {"CC_JOB_LEASE_SECONDS": "8"}}
OTHERS = [
    Group({"disk": Case([faults.full_disk], 4)}, {"disk_size": "768m"}),
    Group({"clock": CLOCK}, {"clock_of": "server"}),
]
GROUPS = {
    "sqlite": [Group(OF_BOTH, WITH_REDIS), *OTHERS],
    POSTGRESQL: [
        Group(OF_BOTH | OF_POSTGRESQL, WITH_REDIS),
        *OTHERS,
        Group({"database-clock": CLOCK}, {"clock_of": POSTGRESQL}),
    ],
}


def main() -> int:
    """Return 0 if nothing was lost and every client recovered from every fault."""
    options = parse()
    played: list[Played] = []
    with ends_like_a_signal():
        for group in GROUPS[options.database]:
            played += play_group(group, options)
    log(f"\n{options.database}, {options.clients} clients\n\n{table(map(row, played))}")
    return 1 if any(each.violations.all for each in played) else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=GROUPS, default="sqlite")
    parser.add_argument("--faults", default="", help="comma-separated names, as in the table")
    parser.add_argument("--times", type=int, default=10, help="of each fault")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    known = [name for group in GROUPS[options.database] for name in group.cases]
    options.faults = options.faults.split(",") if options.faults else known
    if unknown := set(options.faults) - set(known):
        parser.error(f"unknown faults of {options.database}: {', '.join(sorted(unknown))}")
    return options


def play_group(group: Group, options: argparse.Namespace) -> list[Played]:
    """Play the chosen cases on one server, and compare everything in the end."""
    chosen = {name: case for name, case in group.cases.items() if name in options.faults}
    if not chosen:
        return []
    with contextlib.ExitStack() as stack:
        target = start(stack, options.database, **group.arguments)
        played = [play(target, name, case, options) for name, case in chosen.items()]
        judge(target.product, target.product, played)
    for each in played:
        for violation in each.violations.all[:20]:
            log(f"{each.name}: {violation}")
    return played


def play(target: Target, name: str, case: Case, options: argparse.Namespace) -> Played:
    """Repeat the fault. The first failure ends it, and is a violation."""
    played = Played(name, MeasuredLoad(target.product, clients=options.clients))
    target.token = played.load.token
    with played.load as load:
        try:
            for number in range(options.times):
                load.wait_for_everyone(time.monotonic() + NORMAL_SECONDS)
                began = time.monotonic()
                with case.faults[number % len(case.faults)](target):
                    time.sleep(case.seconds)
                ended = time.monotonic() if case.seconds else began
                played.recoveries.append(load.wait_for_everyone(ended))
        except AssertionError as error:
            played.violations.wrong.append(f"round {len(played.recoveries) + 1}: {error!r}")
    log(f"{options.database}: {' | '.join(row(played)[:-5])} | not successful: {load.refusals()}")
    return played


if __name__ == "__main__":
    sys.exit(main())
