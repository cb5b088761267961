"""Record refusals, with deduplication, without ever changing the refusal."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import django.db
from msgspec.structs import replace

from audit.actions import REFUSALS_OVERFLOWED
from audit.log import sealed_details
from audit.log.events import Actor, Event
from audit.log.personal_data import recorded_network
from audit.log.refusal_deduplication import RefusalDeduplicator
from audit.services.recording import record_alone
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

# Seconds between the first refusal of a kind and the record of how many followed. A killed process loses only the
# counts of that time.
PERIOD = 10.0
# The same for refusals beyond the limits, which have no entry of their own.
OVERFLOW_PERIOD = 1.0


class _Pending:
    """The counted refusals, and the thread that writes them. It runs for a period after the first of them."""

    def __init__(self) -> None:
        self.table = RefusalDeduplicator(begin_details=sealed_details.begin)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()

    def arm(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, daemon=True)
                thread.start()
                self._thread = thread

    def close(self) -> None:
        self._is_closed.set()

    def _run(self) -> None:
        end = time.monotonic() + PERIOD
        while (left := end - time.monotonic()) > 0:
            if self._is_closed.wait(min(left, OVERFLOW_PERIOD)):
                return
            _call_and_release(_flush_overflow)
        with self._lock:
            self._thread = None
        _call_and_release(flush)


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
    table = _pending.current.table
    if table.has_overflow:
        sealed_details.refresh()
    for event, actor in table.drain():
        _write_counted(event, actor)


def _flush_overflow() -> None:
    table = _pending.current.table
    if not table.has_overflow:
        sealed_details.forget()
        return
    sealed_details.refresh()
    for event, actor in table.drain_overflow():
        _write_counted(event, actor)


def _write_counted(event: Event, actor: Actor) -> None:
    period = OVERFLOW_PERIOD if event.action == REFUSALS_OVERFLOWED else PERIOD
    meta = {**event.meta, "repeats_within_seconds": int(period)}
    if network := recorded_network(str(meta.pop("network", ""))):
        meta["network"] = network
    write(replace(event, meta=meta), actor)


def _call_and_release(call: Callable[[], object]) -> None:
    """Call the function, and return the connections of this thread. A failure is only logged."""
    try:
        with _failure_only_logged():
            call()
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
        # The client has already been refused, and gets the same response.
        logger.exception("a refusal could not be recorded")
