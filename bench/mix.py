"""The Zipf mix: many callers encrypt with many keys, and a few of both get most of the requests."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import load
from bench.requests import Refused, Request

KEYS, TOKENS = 1_000, 100
REQUESTS = 16_384  # prepared, then repeated
CONNECTIONS = (32, 256)
WARM_UP_SECONDS, WARM_UPS = 10, 12
SEED = 1

type Pair = tuple[int, int]
"""The numbers of a key and of a token. The most frequent ones are 0."""


@dataclass(frozen=True)
class Mix(Request):
    """Sends ``turns`` one after the other, and then again."""

    turns: Sequence[Request] = ()

    def raw(self) -> list[bytes]:
        return [raw for turn in self.turns for raw in turn.raw()]

    @classmethod
    def of(cls, request: Callable[[int, int], Request]) -> "Mix":
        """The mix of the requests with the key and the token of each pair."""
        turns = [request(*pair) for pair in pairs()]
        first = turns[0]
        return cls(first.port, first.path, first.body, first.headers, turns)


def warm_up(request: Request) -> None:
    """Send all requests, because the first use of each pair reads the database. Raises Refused."""
    for _ in range(WARM_UPS):
        if load.run(request, CONNECTIONS[-1], WARM_UP_SECONDS).succeeded >= REQUESTS:
            return
    raise Refused(f"the mix takes more than {WARM_UPS * WARM_UP_SECONDS} seconds")


def pairs(count: int = REQUESTS) -> list[Pair]:
    """Keys and tokens, chosen independently by Zipf's law with exponent 1. Every call returns the same pairs."""
    chooser = random.Random(SEED)  # noqa: S311 - a fixed sequence, no secret
    keys, tokens = (chooser.choices(range(most), weights(most), k=count) for most in (KEYS, TOKENS))
    return list(zip(keys, tokens, strict=True))


def weights(count: int) -> list[float]:
    """The weight of each rank: 1, 1/2, 1/3 and so on."""
    return [1 / rank for rank in range(1, count + 1)]
