"""Tell the answers about canaries from those about ordinary keys by their times.

    python -m tests.services python -m campaigns.canaries.timing

sends requests with 10 canaries and 10 ordinary keys in random order over one connection, to the fast path, to Django,
and as a user without access. For each run it prints the AUC of the times, and that of a classifier which learns from the other
runs how long the answer and the following one take. It fails if one of them is above 0.52.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log as logarithm
from pathlib import Path
from statistics import median

from campaigns.canaries.classifier import auc, bin_of, bins_of
from campaigns.canaries.population import DATA, Member, Population, wait_for_the_watcher
from campaigns.installations import installation
from tests.output import log
from tests.product import KeepAlive, Product

MOST = 0.52
BUSY = 503  # of an overloaded machine; these times do not count
SLOW = {"Content-Type": "application/json; charset=utf-8"}  # which the fast path leaves to Django
BINS = 10
WARM_UP = 500
KEYS = 10  # of each kind
PATHS: Mapping[str, tuple[str, Mapping[str, str], int]] = {
    # The user, headers, and the status.
    "fast path": ("dora", {}, 200),
    "Django": ("dora", SLOW, 200),
    "refusals": ("stella", {}, 404),
}


@dataclass(frozen=True)
class Times:
    """Of the answer and of the following one, in seconds."""

    canaries: list[tuple[float, float]]
    others: list[tuple[float, float]]

    @property
    def auc(self) -> float:
        return auc([own for own, _ in self.canaries], [own for own, _ in self.others])


def main() -> int:
    options = parse()
    log(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="timing-") as name, installation(Path(name)) as product, product:
        return int(play(product, options) > MOST)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--requests", type=int, default=5000, help="of a run, with canaries and with others each"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    return parser.parse_args()


def play(product: Product, options: argparse.Namespace) -> float:
    """Returns the largest AUC."""
    worst = 0.5
    with product.connect() as client:
        population = Population(product, client, options.seed)
        members = population.create(2 * KEYS)
        population.plant(members[:KEYS])
        for path, (user, headers, status) in PATHS.items():
            runs = []
            for _ in range(options.runs):
                token = product.token(user)
                runs.append(run(client, population.chance, members, options.requests, token, headers, status))
                wait_for_the_watcher(product)
            worst = max(worst, *report(path, runs))
    return worst


def run(
    client: KeepAlive,
    chance: random.Random,
    members: Sequence[Member],
    requests: int,
    token: str,
    headers: Mapping[str, str],
    status: int,
) -> Times:
    plan = [place for place in range(2 * KEYS) for _ in range(requests // KEYS)]
    chance.shuffle(plan)
    bodies = [{"key_id": member.named.id, **DATA} for member in members]
    taken: list[tuple[int, float, bool]] = []
    for place in [*plan[:WARM_UP], *plan, plan[0]]:
        began = time.perf_counter()
        reply = client.send("POST", "/api/v1/encrypt", bodies[place], token=token, headers=headers)
        taken.append((place, time.perf_counter() - began, reply.status == status))
        assert reply.status in {status, BUSY}, reply.content
    found = Times([], [])
    for (place, own, is_good), (_, after, _) in pairwise(taken[WARM_UP:]):
        if is_good:
            (found.canaries if place < KEYS else found.others).append((own, after))
    return found


def report(path: str, runs: Sequence[Times]) -> list[float]:
    found = []
    for number, times in enumerate(runs):
        others = [each for place, each in enumerate(runs) if place != number]
        learned = classified(others, times) if others else 0.5
        plain = max(times.auc, 1 - times.auc)
        found += [plain, learned]
        medians = [median(own for own, _ in some) * 1000 for some in (times.canaries, times.others)]
        log(
            f"{path}, run {number + 1}: {len(times.canaries)} and {len(times.others)} answers, medians {medians[0]:.3f} and "
            f"{medians[1]:.3f} ms, AUC {plain:.4f}, of the classifier {learned:.4f}"
        )
    return found


def classified(known: Sequence[Times], tested: Times) -> float:
    """The AUC of the likelihood ratio of both times, learned as a histogram."""
    everything = [each for times in known for each in (*times.canaries, *times.others)]
    bounds = [bins_of([each[place] for each in everything], BINS) for place in (0, 1)]

    def cell(each: tuple[float, float]) -> tuple[int, int]:
        return bin_of(each[0], bounds[0]), bin_of(each[1], bounds[1])

    canaries = Counter(cell(each) for times in known for each in times.canaries)
    others = Counter(cell(each) for times in known for each in times.others)

    def score(each: tuple[float, float]) -> float:
        return logarithm((canaries[cell(each)] + 1) / (others[cell(each)] + 1))

    return auc([score(each) for each in tested.canaries], [score(each) for each in tested.others])


if __name__ == "__main__":
    sys.exit(main())
