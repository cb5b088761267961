"""Measures the client's local envelope encryption against its own REST call, both in one thread of one process.

The envelope needs one request for many messages, so its rate is that of the processor of the client.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.product import CipherCanary
from bench.singles import Pace
from ciphercanary_client import Client

MESSAGE = bytes(64)
AAD = b"row 7"
ROUND = 20  # messages between two looks at the clock


@dataclass(frozen=True)
class Rates:
    """Messages of 64 bytes per second: through REST, and sealed and opened locally."""

    rest: float
    sealed: float
    opened: float


def measure(product: CipherCanary, pace: Pace) -> Rates:
    url = f"http://127.0.0.1:{product.product.port}"
    with Client(url, product.token) as client, client.envelope(product.key_id) as envelope:
        sealed = envelope.encrypt(MESSAGE, AAD)
        ways: tuple[Callable[[], object], ...] = (
            lambda: client.encrypt(product.key_id, MESSAGE, AAD),
            lambda: envelope.encrypt(MESSAGE, AAD),
            lambda: envelope.decrypt(sealed, AAD),
        )
        rounds = [[rate_of(way, pace) for way in ways] for _ in range(pace.repeats)]
    return Rates(*map(median, zip(*rounds, strict=True)))


def rate_of(way: Callable[[], object], pace: Pace) -> float:
    """Calls per second, after a warm-up."""
    repeat(way, pace.warm_up)
    count, seconds = repeat(way, pace.seconds)
    return count / seconds


def repeat(way: Callable[[], object], seconds: float) -> tuple[int, float]:
    """The number of calls and the seconds that they took."""
    began, count, passed = time.perf_counter(), 0, 0.0
    while passed < seconds:
        for _ in range(ROUND):
            way()
        count += ROUND
        passed = time.perf_counter() - began
    return count, passed
