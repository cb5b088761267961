"""Waiting for a condition, as long as a busy machine may take."""

import time
from collections.abc import Callable

SOON = 60  # seconds
PERIOD = 0.02  # seconds between two readings


def wait_until(holds: Callable[[], object], seconds: float = SOON) -> float:
    """Return the seconds until the condition was true; fail after ``seconds``."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(PERIOD)
    return time.monotonic() - began
