"""Record refusals, with deduplication, without ever changing the refusal."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import django.db
from msgspec.structs import replace

from audit.log.events import Actor, Event
from audit.log.personal_data import recorded_network
from audit.log.refusal_deduplication import RefusalDeduplicator
from audit.services.recording import record_alone
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

# Seconds between the first refusal of a kind and the record of how many followed. A killed process loses only the
# counts of that time.
PERIOD = 10.0


class _Pending:
    """The counted refusals, and the timer that writes them."""

    def __init__(self) -> None:
        self.table = RefusalDeduplicator()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def arm(self) -> None:
        with self._lock:
            if self._timer is None:
                timer = threading.Timer(PERIOD, self._flush)
                timer.daemon = True
                timer.start()
                self._timer = timer

    def close(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _flush(self) -> None:
        with self._lock:
            self._timer = None
        try:
            flush()
        finally:
            django.db.connections.close_all()


_pending = ProcessState(_Pending)


def note(event: Event, actor: Actor) -> None:
    """Write the first refusal of its kind now, and count the others. Never raises."""
    if count(event, actor):
        write(event, actor)


def count(event: Event, actor: Actor) -> bool:
    """Count the refusal in memory. True for the first of its kind: the caller must write it now. Never raises."""
    pending = _pending.current
    is_first = pending.table.is_first(event, actor)
    with _failure_only_logged():
        pending.arm()
    return is_first


def flush() -> None:
    """Write what was counted: one entry per kind, with its ``count``."""
    for event, actor in _pending.current.table.drain():
        meta = {**event.meta, "repeats_within_seconds": int(PERIOD)}
        if network := recorded_network(str(meta.pop("network", ""))):
            meta["network"] = network
        write(replace(event, meta=meta), actor)


def write(event: Event, actor: Actor) -> None:
    """Write a refusal. Never raises."""
    with _failure_only_logged():
        record_alone(event, actor)


@contextmanager
def _failure_only_logged() -> Iterator[None]:
    try:
        yield
    except Exception:
        # The client has already been refused, and gets the same response.
        logger.exception("a refusal could not be recorded")
