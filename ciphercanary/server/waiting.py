"""Waiting for a condition, for a limited time."""

import time
from collections.abc import Callable

TICK = 0.1  # seconds


def becomes_true_within(timeout: float, condition: Callable[[], bool]) -> bool:
    """Check the condition until it is true, for at most ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(TICK)
    return True
