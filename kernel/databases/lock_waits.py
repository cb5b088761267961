"""The wait limit of a request for the database: all its waits together, for locks and for a pooled connection.

Another session may hold a table or the SQLite file forever. The limit is ``CC_LOCK_WAIT_SECONDS``. A wait that
reaches it fails with django.db.OperationalError.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

from kernel.runtime import settings_cache

# The minimum wait in seconds: a long-running request must not fail because of a lock held for milliseconds.
LEAST = 0.25

# Of the limit, for ``bounded``: only a shorter wait than the limit is set for each statement (``is_short``).
_BOUNDED = 0.8

# Key in a scope and a WSGI environment: the time.monotonic() at which the waits of the request end.
WAIT_UNTIL = "ciphercanary.wait_until"

_until: ContextVar[float | None] = ContextVar("_until", default=None)


def bound_lock_waits() -> None:
    """Bound every statement of this process, from its first connection on.

    Only the web server calls this: migrations and the sequencer may wait longer.
    """
    options = settings.DATABASES["default"]["OPTIONS"]
    if settings.CC_SQLITE:
        options["timeout"] = settings.CC_LOCK_WAIT_SECONDS
    else:
        options["options"] += f" -c lock_timeout={milliseconds(settings.CC_LOCK_WAIT_SECONDS)}"


@settings_cache
def limit() -> float:
    """Seconds that a request may wait in total."""
    return float(settings.CC_LOCK_WAIT_SECONDS)


def deadline() -> float:
    """The time.monotonic() at which the waits of this thread's current request end."""
    until = _until.get()
    return time.monotonic() + limit() if until is None else until


@contextmanager
def waiting_until(until: float) -> Iterator[None]:
    """Inside the block, all waits of this thread end at ``until``, a time.monotonic()."""
    token = _until.set(until)
    try:
        yield
    finally:
        _until.reset(token)


@contextmanager
def bounded() -> Iterator[None]:
    """All waits of the block together are as short as those of a request, also in programs that may wait longer."""
    with waiting_until(min(deadline(), time.monotonic() + limit() * _BOUNDED)):
        yield


@contextmanager
def paused() -> Iterator[None]:
    """The block is no wait for the database: it moves the end of this thread's waits by its duration."""
    until, began = _until.get(), time.monotonic()
    try:
        yield
    finally:
        if until is not None:
            _until.set(until + time.monotonic() - began)


def seconds_left() -> float:
    """The remaining wait time of this thread."""
    return max(deadline() - time.monotonic(), LEAST)


def sqlite_seconds() -> float:
    """How long this thread may now wait for a lock of SQLite. Commands and the sequencer wait longer than requests."""
    seconds = seconds_left()
    return seconds if is_short(seconds) else float(settings.DATABASES["default"]["OPTIONS"]["timeout"])


def is_short(seconds: float) -> bool:
    """Whether this is so short that the full timeout of a connection must be lowered to it."""
    return seconds < settings.CC_LOCK_WAIT_SECONDS * 0.9


def milliseconds(seconds: float) -> int:
    """For PostgreSQL and SQLite, where 0 would mean no limit or no wait."""
    return max(1, round(seconds * 1000))
