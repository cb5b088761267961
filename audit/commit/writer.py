"""Durable records of cryptographic operations, written before their responses are returned.

The result is computed in memory, from cached keys and permissions. Its record waits in a queue for the next
transaction of this process's writer, which also decides whether the result may still be returned. Records that are
queued during a commit form the next batch. That commit is the linearization point.

The writer is a thread, except in a web worker on PostgreSQL: there it is the event loop (``audit.commit.thread_records``).
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import django.db
from django.db import connection

from audit.commit.batches import CommitBatch, Ticket, Waiting, fail, refuse_if_overdue
from audit.commit.decisions import Deadline, Decision
from audit.commit.guard import LagGuard
from audit.errors import CROWDED, AuditUnavailable, RecordUnknown
from audit.log.numbering import Numbering
from audit.sequencing.lag import read_lag_seconds
from kernel.databases import commit_waits, lock_waits
from kernel.observability import tracing
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

__all__ = ["Deadline", "Decision", "close", "commit", "commit_here", "submit"]

MAX_BATCH = 512  # records per transaction: with more, the first would wait for the rows of the last
# Seconds beyond the waits of a batch, which end by themselves: the event loop may have ended.
PATIENCE = commit_waits.LEAST_FOR_COMMIT + 1.0
MAX_WAITING = 8192  # records in the queue, each with a response in memory


def commit[T](decision: Decision[T]) -> T:
    """Make the event durable, and return the result. Call it outside a transaction. It waits for the batch.

    Raises StaleDecision if data that it depends on has changed (decide again), the error of a deadline that has passed,
    Throttled or AuditUnavailable if the log is too far behind, AuditUnavailable if the record is not durable, and RecordUnknown if it may be.
    """
    if connection.in_atomic_block:
        # Durable means outermost. Django rejects this, except inside the transaction that a test rolls back.
        return commit_here(decision, Numbering())
    future = submit(decision)
    try:
        return future.result(lock_waits.seconds_left() + PATIENCE)
    except TimeoutError:
        # If it still waits, nothing is written.
        raise (AuditUnavailable() if future.cancel() else RecordUnknown()) from None


def commit_here[T](decision: Decision[T], numbering: Numbering) -> T:
    """Like ``commit``, but in this thread, in a transaction for this decision alone, and without the lag guard.

    For a program that is the only caller: it keeps ``numbering`` for its thread.
    """
    future: Future[T] = Future()
    CommitBatch([Ticket(decision, future)], numbering).write()
    return future.result()


@tracing.traced_wait("audit commit")
def submit[T](decision: Decision[T], until: float | None = None) -> "Future[T]":
    """Like ``commit`` for an event loop (``asyncio.wrap_future``), which must not block.

    ``until``: see ``audit.commit.batches.Ticket``.
    """
    future: Future[T] = Future()
    ticket = Ticket(decision, future, until)
    take = _diversion.current.take
    if take is None or not take(ticket):
        enqueue(ticket)
    return future


def divert_to(take: Callable[[Ticket[Any]], bool] | None) -> None:
    """From now on, ``submit`` offers each ticket to ``take``; the thread writes what it refuses. None ends this."""
    _diversion.current.take = take


def enqueue(waiting: Waiting) -> None:
    """Write it with the next batch, whose thread releases it. Raises AuditUnavailable if too many are waiting."""
    _writer.current.enqueue(waiting)


def close() -> None:
    """Write waiting records, then end the thread. The next ``submit`` starts a new one."""
    _writer.drop()


class _Writer:
    """A queue and its thread, which has its own numbering."""

    def __init__(self) -> None:
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def enqueue(self, waiting: Waiting) -> None:
        with self._changed:
            if len(self._queue) >= MAX_WAITING:
                raise AuditUnavailable(CROWDED)
            self._require_thread()
            self._queue.append(waiting)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closing = True
            if self._queue:
                self._require_thread()
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _require_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        numbering, guard = Numbering(), LagGuard()
        batch: list[Waiting] = []
        try:
            while batch := self._next_batch():
                _write(batch, numbering, guard)
                batch.clear()  # plaintexts must not stay in memory until the next batch
        finally:
            for ticket in batch:  # after an unexpected error only: their callers would wait forever
                fail(ticket, AuditUnavailable())
            django.db.connections.close_all()

    def _next_batch(self) -> list[Waiting]:
        """The waiting tickets, at least one; empty when closing. Those whose caller has given up are left out."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._is_closing)
                if not self._queue:
                    return []
                waiting = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
            batch = [ticket for ticket in waiting if ticket.begin()]
            if batch:
                return batch


def _write(batch: list[Waiting], numbering: Numbering, guard: LagGuard) -> None:
    if refuse_if_overdue(batch):
        return
    if guard.is_due:
        guard.update(_read_lag(min(ticket.until for ticket in batch)))
    if admitted := guard.admit(batch):
        CommitBatch(admitted, numbering).write()


def _read_lag(until: float) -> float | None:
    """None if it cannot be read. The time is limited, because waiting records must not wait forever."""
    try:
        with lock_waits.waiting_until(until):
            return read_lag_seconds()
    except Exception:
        logger.warning("the lag of the audit log could not be read", exc_info=True)
        django.db.connection.close()
        return None


class _Diversion:
    def __init__(self) -> None:
        self.take: Callable[[Ticket[Any]], bool] | None = None


_writer = ProcessState(_Writer)
_diversion = ProcessState(_Diversion)
