"""Compare the rates of the fast path and of the sequencer without canaries and with 10,000.

    CC_TEST_DURABLE=1 CC_TEST_SOCKET=1 python -m tests.services python -m campaigns.canaries.rate

It needs wrk. One installation is measured in turns, in rounds of both numbers in alternating order, so that a change of
the machine's speed affects both alike. It ends with 1 if a median rate with canaries is below 99% of the one without.
"""

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from uuid import uuid4

from bench import load, watch
from bench.contestant import ENCRYPT
from bench.machine import allow_many_files, private_folder, require_durable, require_programs
from bench.product import CipherCanary
from campaigns.archiving.drill import SETTINGS, size
from campaigns.installations import installation
from tests.output import log

CONNECTIONS = (32, 256)
LEAST_RATIO = 0.99
OPENED_SECONDS = 3  # until all processes have opened the changed set


@dataclass(frozen=True)
class Round:
    """Rates in 1/s. ``settled``: seconds after the load until the sequencer was done. ``worker``: cores used by it."""

    rate: float
    sequenced: float
    settled: float
    worker: float
    web: float
    errors: int


class Measurement:
    def __init__(self, ours: CipherCanary, options: argparse.Namespace) -> None:
        self.ours, self.options = ours, options
        self.rounds: dict[tuple[int, int], list[Round]] = defaultdict(list)

    def play(self) -> int:
        self.measure(CONNECTIONS[-1])  # warms up
        for number in range(self.options.rounds):
            counts = [0, self.options.canaries]
            for canaries in counts if number % 2 == 0 else reversed(counts):
                plant(canaries)
                time.sleep(OPENED_SECONDS)
                for connections in CONNECTIONS:
                    found = self.measure(connections)
                    self.rounds[connections, canaries].append(found)
                    log(f"round {number + 1}: {canaries:>6} canaries, {connections:>3} connections: {found}")
        ratios = [self.compare(connections) for connections in CONNECTIONS]
        return 0 if min(ratios) >= LEAST_RATIO else 1

    def measure(self, connections: int) -> Round:
        product = self.ours.product
        [worker] = product.processes_of("run_worker")
        before, used, began = size(product), watch.cpu_seconds(worker), time.monotonic()
        found = watch.costs_of(
            lambda: load.run(self.ours.request(ENCRYPT), connections, self.options.seconds)
        )
        ended, after = time.monotonic(), size(product)
        cores = (watch.cpu_seconds(worker) - used) / (ended - began)
        self.ours.settle()
        return Round(
            rate=round(found.rate),
            sequenced=round((after - before) / (ended - began)),
            settled=round(time.monotonic() - ended, 2),
            worker=round(cores, 3),
            web=round(found.cpu["web workers"], 1),
            errors=found.errors,
        )

    def compare(self, connections: int) -> float:
        """The lower of the ratios of both rates."""
        without, planted = (self.rounds[connections, n] for n in (0, self.options.canaries))
        ratios = []
        for name in ("rate", "sequenced", "settled", "worker", "web"):
            before, after = (median(getattr(each, name) for each in rounds) for rounds in (without, planted))
            pairs = [
                getattr(b, name) / max(getattr(a, name), 1e-9) for a, b in zip(without, planted, strict=True)
            ]
            log(
                f"{connections:>3} connections, {name}: {before:g} without, {after:g} with canaries, "
                f"ratio {after / max(before, 1e-9):.4f}, of each round {' '.join(f'{pair:.3f}' for pair in pairs)}"
            )
            if name in ("rate", "sequenced"):
                ratios.append(after / before)
        assert not any(each.errors for each in [*without, *planted]), "requests failed"
        return min(ratios)


def plant(count: int) -> None:
    """Replace the canaries of the set. Their objects do not exist, which makes no difference for the lookup."""
    from canaries.documents import HOST, Canary, Kind  # noqa: PLC0415 - needs Django
    from canaries.sealed.store import changing  # noqa: PLC0415 - likewise

    kinds = cycle(kind for kind in Kind if kind is not Kind.OFFICE)
    with changing() as change:
        change.set.canaries = [
            Canary(
                id=uuid4(),
                kind=next(kinds),
                object_id=str(uuid4()),
                name=f"payments-archive-{number}",
                note=f"s3://backups/2023/{number}",
                planted_at=change.at,
                planted_by=HOST,
            )
            for number in range(count)
        ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--canaries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="of each load (10)")
    options = parser.parse_args()
    allow_many_files()
    require_programs("wrk")
    with private_folder() as folder, installation(folder, **SETTINGS) as product, product:
        require_durable(product.database)
        return Measurement(CipherCanary("rate", product), options).play()


if __name__ == "__main__":
    sys.exit(main())
