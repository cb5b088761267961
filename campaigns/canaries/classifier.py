"""A small classifier: which objects are canaries, by numbers about each object?

Only the order of a number counts, so all numbers have the same scale. It learns from one half of the objects which
numbers differ most between canaries and others, and names the canaries of the other half.
"""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import sqrt

SPLITS = 20
CHOICES = (1, 10, 100)  # numbers that a name depends on


def midranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values get the mean of their ranks."""
    counts, ranks, below = Counter(values), dict[float, float](), 0
    for value in sorted(counts):
        ranks[value] = below + (counts[value] + 1) / 2
        below += counts[value]
    return [ranks[value] for value in values]


def auc(some: Sequence[float], others: Sequence[float]) -> float:
    """The probability that one of ``some`` is greater than one of the others; equal ones count half."""
    ranks = midranks([*some, *others])[: len(some)]
    return (sum(ranks) - len(some) * (len(some) + 1) / 2) / (len(some) * len(others))


def bins_of(values: Sequence[float], number: int) -> list[float]:
    """The bounds between bins with equally many values."""
    ordered = sorted(values)
    return [ordered[len(ordered) * place // number] for place in range(1, number)]


def bin_of(value: float, bounds: Sequence[float]) -> int:
    return bisect_right(bounds, value)


@dataclass(frozen=True)
class Verdict:
    """``shares``: of canaries among the named objects, by the number of features that a name depends on.

    ``best``: the features with the largest differences, with their AUC.
    """

    features: int
    shares: dict[int, float]
    best: list[tuple[str, float]]


class Classifier:
    """``features``: a number of each object, by the name of the feature. Only those that differ are of use."""

    def __init__(self, features: Mapping[str, Sequence[float]], seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - no secret
        distinct = dict[tuple[float, ...], str]()
        for name, values in features.items():
            if len(set(values)) > 1:
                distinct.setdefault(tuple(midranks(values)), name)
        self.names, self.ranks = list(distinct.values()), list(distinct)
        self.objects = [list(scores) for scores in zip(*map(_standardised, self.ranks), strict=True)]
        numbers = range(len(self.objects))
        self.halves = [set(chance.sample(numbers, len(numbers) // 2)) for _ in range(SPLITS)]
        self.totals = [_sums(self.objects, half) for half in self.halves]
        self.chance = chance

    def judge(self, canaries: Collection[int]) -> Verdict:
        return Verdict(len(self.names), self.shares(canaries), self.best(canaries))

    def best(self, canaries: Collection[int], number: int = 3) -> list[tuple[str, float]]:
        found = [
            (name, self._auc(ranks, canaries)) for name, ranks in zip(self.names, self.ranks, strict=True)
        ]
        return nlargest(number, found, key=lambda each: abs(each[1] - 0.5))

    def shares(self, canaries: Collection[int]) -> dict[int, float]:
        hits, named = Counter[int](), 0
        for half, totals in zip(self.halves, self.totals, strict=True):
            known = [each for each in canaries if each in half]
            tested = [each for each in range(len(self.objects)) if each not in half]
            weights = self._learn(known, len(half), totals)
            count = len(canaries) - len(known)
            named += count
            for choice in CHOICES:
                chosen = nlargest(choice, range(len(weights)), key=lambda place: abs(weights[place]))
                scores = {each: sum(weights[f] * self.objects[each][f] for f in chosen) for each in tested}
                first = nlargest(count, scores, key=scores.__getitem__)
                hits[choice] += len(set(first) & set(canaries))
        return {choice: hits[choice] / named for choice in CHOICES}

    def by_chance(self, canaries: int, draws: int) -> list[dict[int, float]]:
        """The shares if other objects were the canaries, drawn at random."""
        numbers = range(len(self.objects))
        return [self.shares(self.chance.sample(numbers, canaries)) for _ in range(draws)]

    def _learn(self, known: Collection[int], size: int, totals: Sequence[float]) -> list[float]:
        """The difference of the means of each feature."""
        of_known = _sums(self.objects, known) if known else [0.0] * len(totals)
        some, others = max(1, len(known)), size - len(known)
        return [a / some - (total - a) / others for a, total in zip(of_known, totals, strict=True)]

    def _auc(self, ranks: Sequence[float], canaries: Collection[int]) -> float:
        some, others = len(canaries), len(ranks) - len(canaries)
        return (sum(ranks[each] for each in canaries) - some * (some + 1) / 2) / (some * others)


def _standardised(ranks: Sequence[float]) -> list[float]:
    mean = sum(ranks) / len(ranks)
    deviation = sqrt(sum((rank - mean) ** 2 for rank in ranks) / len(ranks))
    return [(rank - mean) / deviation for rank in ranks]


def _sums(objects: Sequence[Sequence[float]], numbers: Collection[int]) -> list[float]:
    return [sum(column) for column in zip(*(objects[each] for each in numbers), strict=True)]
