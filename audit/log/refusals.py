"""Record refusals, with deduplication, without ever changing the refusal."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import django.db
from msgspec.structs import replace

from audit.log.events import Actor, Event
from audit.log.floods import FloodTable
from audit.services import record_alone

logger = logging.getLogger(__name__)

# Seconds between the first refusal of a kind and the record of how many followed. A killed process loses only the
# counts of that time.
PERIOD = 10.0

_table = FloodTable()
_arming = threading.Lock()
_timer: threading.Timer | None = None


def note(event: Event, actor: Actor) -> None:
    """Write the first refusal of its kind now, and count the others. Never raises."""
    if count(event, actor):
        write(event, actor)


def count(event: Event, actor: Actor) -> bool:
    """Count the refusal in memory. True for the first of its kind: the caller must write it now. Never raises."""
    is_first = _table.is_first(event, actor)
    with _failure_only_logged():
        _arm()
    return is_first


def flush() -> None:
    """Write what was counted: one entry per kind, with its ``count``."""
    for event, actor in _table.drain():
        write(replace(event, meta={**event.meta, "repeats_within_seconds": int(PERIOD)}), actor)


def forget() -> None:
    """Discard the counts, and cancel the scheduled flush."""
    global _timer  # noqa: PLW0603 - one table and one timer per process
    with _arming:
        if _timer is not None:
            _timer.cancel()
        _timer = None
    _table.drain()


def _arm() -> None:
    global _timer  # noqa: PLW0603 - one table and one timer per process
    with _arming:
        # A forked child inherits the variable but not the thread, so check whether the thread is alive.
        if _timer is None or not _timer.is_alive():
            _timer = threading.Timer(PERIOD, _flush_in_thread)
            _timer.daemon = True
            _timer.start()


def _flush_in_thread() -> None:
    global _timer  # noqa: PLW0603 - one table and one timer per process
    with _arming:
        _timer = None
    try:
        flush()
    finally:
        django.db.connections.close_all()


def write(event: Event, actor: Actor) -> None:
    """Write a refusal. Never raises."""
    with _failure_only_logged():
        record_alone(event, actor)


@contextmanager
def _failure_only_logged() -> Iterator[None]:
    try:
        yield
    except Exception:
        # The client has already been refused, and gets the same answer.
        logger.exception("a refusal could not be recorded")
