"""How long a request waits for the database: for locks, and for a connection of the pool, all its waits together.

Another session may hold a table or the SQLite file for ever. The bound is ``CC_LOCK_WAIT_SECONDS``. A wait that
reaches it fails as django.db.OperationalError.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

# Seconds that every wait gets: a request that was long under way must not fail for a lock held for milliseconds.
LEAST = 0.25

# In a scope and a WSGI environment: the moment (of time.monotonic) at which the waits of the request end.
WAIT_UNTIL = "ciphercanary.wait_until"

_local = threading.local()


def bound_lock_waits() -> None:
    """Bound every statement of this process, from its first connection on.

    Only the web server calls this: migrations and the sequencer may wait longer.
    """
    options = settings.DATABASES["default"]["OPTIONS"]
    if settings.CC_SQLITE:
        options["timeout"] = settings.CC_LOCK_WAIT_SECONDS
    else:
        options["options"] += f" -c lock_timeout={milliseconds(settings.CC_LOCK_WAIT_SECONDS)}"


def deadline() -> float:
    """The moment (of time.monotonic) at which the waits of what this thread does now are over."""
    until: float | None = getattr(_local, "until", None)
    return time.monotonic() + settings.CC_LOCK_WAIT_SECONDS if until is None else until


@contextmanager
def waiting_until(moment: float) -> Iterator[None]:
    """Inside the block, all waits of this thread together end at the moment (of time.monotonic)."""
    before = getattr(_local, "until", None)
    _local.until = moment
    try:
        yield
    finally:
        _local.until = before


def seconds_left() -> float:
    """How long this thread may wait now."""
    return max(deadline() - time.monotonic(), LEAST)


def is_short(seconds: float) -> bool:
    """Whether the bound of a connection, the whole one, has to be lowered to this."""
    return seconds < settings.CC_LOCK_WAIT_SECONDS * 0.9


def milliseconds(seconds: float) -> int:
    """For PostgreSQL and SQLite, where 0 means no bound or no wait."""
    return max(1, round(seconds * 1000))
