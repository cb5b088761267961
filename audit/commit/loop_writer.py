"""``audit.commit.writer`` for an event loop: the records of the fast path, and those that threads pass to it.

The writer works per batch. If nothing has changed since the decisions, one message of a prepared form goes to PostgreSQL,
and the responses are finished while the disk works. The loop does this without a task, a future or a thread. Everything
else (a changed epoch, a deadline, the lag guard, the first batch) is decided while the epoch is locked.

If the server reports a failure, nothing was stored, and the batch goes to the thread of ``audit.commit.writer``, which
handles bad rows and dead connections. Lock timeouts are not retried. If the server does not respond to COMMIT, the
outcome is unknown. On SQLite, the thread does all of it, because SQLite can be used only from a thread.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from django.conf import settings

from audit.commit import writer
from audit.commit.batches import CommitBatch, Stage, Ticket, Waiting, refuse_if_overdue, release
from audit.commit.decisions import Decision
from audit.commit.guard import LagGuard
from audit.commit.handed_over import HandedOver, hand_over
from audit.commit.loop_connection import ConnectionLost, Outcome, StatementFailed, WaitEnded
from audit.commit.loop_session import LoopSession
from audit.commit.loop_statements import (
    COMMIT,
    ENTITIES,
    ROLLBACK,
    TOLERANCE,
    EpochReading,
    array_of,
    clock_of,
    insertion_of,
    pairs_of,
    write_of,
)
from audit.errors import CROWDED, AuditUnavailable, RecordUnknown
from audit.log.bundles import bundle_of, new_event_ids
from audit.log.numbering import Numbering
from kernel.databases import commit_waits
from kernel.freshness.stamps import entities_of, outdated, renew
from kernel.observability import tracing
from kernel.observability.deferred import Deferred
from kernel.observability.metrics import observe_commits
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

MANY = 4  # records in a batch: after smaller ones, the writer does not wait for more
_GATHER_ITERATIONS = 10  # iterations of the event loop
GRACE = 0.5  # seconds: the server's timeout, which names the cause, comes first


class Call(Waiting, Protocol):
    """A decision that the event loop records and releases. Its caller may be a thread."""

    def finish(self) -> None:
        """Compute the response, while the record is written. Never raises."""
        ...


@tracing.traced_wait("audit commit")
def submit[T](decision: Decision[T], until: float | None = None) -> "asyncio.Future[T]":
    """``audit.commit.writer.submit`` for the running event loop, with the same errors."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    enqueue(Ticket(decision, future, until))
    return future


def enqueue(call: Call) -> None:
    """Record the decision with the next batch, and release it in this event loop. Raises AuditUnavailable."""
    if _writer.current.loop is not asyncio.get_running_loop():
        _writer.drop()
    _writer.current.enqueue(call)


async def close() -> None:
    """Write waiting records, then end the session. The next ``submit`` starts a new writer."""
    if ending := _writer.drop():
        await ending.end()


class _LoopWriter:
    """A queue, its session and its numbering. One batch at a time is under way."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._is_sqlite = settings.CC_SQLITE
        self._poll_seconds = settings.CC_COMMIT_POLL_SECONDS
        self._queue: deque[Call] = deque()
        self._is_scheduled = self._is_busy = False
        self._iterations = 0
        self._numbering = Numbering()
        self._guard = LagGuard()
        self._session = LoopSession()
        self._commits = Deferred(observe_commits)
        self._expected = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def enqueue(self, call: Call) -> None:
        if self._is_sqlite:
            writer.enqueue(HandedOver(call, self.loop))
            call.finish()
            return
        if len(self._queue) >= writer.MAX_WAITING:
            raise AuditUnavailable(CROWDED)
        self._queue.append(call)
        if not self._is_scheduled and not self._is_busy:
            self._schedule()

    async def end(self) -> None:
        await self._is_idle.wait()
        self._drop_session()

    # --- one batch after the other

    def _schedule(self) -> None:
        self._is_scheduled, self._iterations = True, 0
        self._is_idle.clear()
        self.loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Begin the next batch. Callers who just got a response often submit again, and half batches cost more."""
        if len(self._queue) < min(self._expected, writer.MAX_BATCH) and self._iterations < _GATHER_ITERATIONS:
            self._iterations += 1
            self.loop.call_soon(self._begin)
            return
        self._is_scheduled = False
        queue = self._queue
        calls = [call for _ in range(min(writer.MAX_BATCH, len(queue))) if (call := queue.popleft()).begin()]
        if not calls or refuse_if_overdue(calls):
            self._end_batch(0)
            return
        self._is_busy = True
        try:
            is_sent = self._write_at_once(calls)
        except Exception:
            logger.exception("a batch could not be sent at once")
            is_sent = False
        if not is_sent:
            self._task = self.loop.create_task(self._write(calls), context=tracing.without_span())
        elif self._poll_seconds and len(calls) == 1:
            self._session.poll(self._poll_seconds)

    def _end_batch(self, size: int) -> None:
        self._is_busy = False
        self._expected = size + len(self._queue) if size >= MANY else 0
        if self._queue:
            self._schedule()
        else:
            self._is_idle.set()

    # --- the usual batch: nothing has changed, and no one is refused

    def _write_at_once(self, calls: Sequence[Call]) -> bool:
        """Send the batch in one message, which the database confirms. False if it must be decided first.

        The database confirms if the epoch is unchanged, the entries' timestamp is past but recent, and every response may
        still be released.
        """
        session, reading = self._session.connection, self._session.reading
        if session is None or session.is_broken or reading is None or self._guard.is_due:
            return False
        now = reading.now()
        end, counts = now + TOLERANCE, Counter([call.decision.grounds for call in calls])
        for grounds in counts:
            if not grounds.are_certain(reading.epoch):
                return False
            end = min(end, grounds.not_after)
        if end <= now or not self._guard.admits_all:
            return False
        try:
            ids = new_event_ids(len(calls))
            entries = [call.decision.entry(own) for own, call in zip(ids, calls, strict=True)]
        except ValueError:
            return False
        numbers = self._numbering
        bundle = bundle_of(entries, at=now, writer=numbers.name, first=numbers.last + 1)
        began = time.perf_counter()
        for grounds, count in counts.items():
            self._guard.count(grounds.actor, count)
        # Nothing after this may fail: the batch must not be sent twice.
        try:
            session.send(
                [write_of(bundle, reading.epoch, end)], partial(self._receive, calls, reading.epoch, began)
            )
        except ConnectionLost:
            return False
        left = min([call.until for call in calls]) - time.monotonic()
        until = max(left, commit_waits.LEAST_FOR_COMMIT) + GRACE
        self._timer = self.loop.call_later(until, self._fail_at_once, calls, ConnectionLost())
        for call in calls:  # while the disk works
            call.finish()
        return True

    def _receive(self, calls: Sequence[Call], epoch: int, began: float, outcome: Outcome) -> None:
        """The database has responded to the message of ``_write_at_once``."""
        self._stop_timer()
        if isinstance(outcome, Exception):
            self._fail_at_once(calls, outcome)
        elif clock := clock_of(outcome[0]):
            self._session.reading = EpochReading.received_now(epoch, clock)
            self._note_written(len(calls), began)
            release(calls)
            self._end_batch(len(calls))
        else:  # nothing was written: decide while the epoch is locked
            self._task = self.loop.create_task(self._write(calls), context=tracing.without_span())

    def _fail_at_once(self, calls: Sequence[Call], error: Exception) -> None:
        batch = CommitBatch(calls, self._numbering)
        batch.stage = Stage.COMMITTING
        self._recover(batch, error)
        self._end_batch(0)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note_written(self, entries: int, began: float) -> None:
        self._numbering.advance(entries)
        self._commits.add((entries, time.perf_counter() - began))

    # --- any other batch

    async def _write(self, calls: Sequence[Call]) -> None:
        batch = CommitBatch(calls, self._numbering)
        try:
            async with asyncio.timeout_at(self.loop.time() + batch.until - time.monotonic() + GRACE) as limit:
                await self._transact(batch, limit)
        except Exception as error:  # noqa: BLE001 - each caller gets a response
            self._recover(batch, error)
        finally:
            self._task = None
            self._end_batch(len(calls))

    def _recover(self, batch: CommitBatch, error: Exception) -> None:
        has_ended = isinstance(error, TimeoutError) and batch.stage is not Stage.COMMITTING
        if has_ended or isinstance(error, WaitEnded):
            # The thread would wait for the same lock again.
            self._drop_session()
            batch.fail(AuditUnavailable())
        elif batch.stage is Stage.COMMITTING and not isinstance(error, StatementFailed):
            # Do not retry: see audit.commit.batches.
            self._stop_timer()
            self._session.give_up()
            logger.warning("%d audit records were perhaps not written", len(batch.tickets), exc_info=error)
            self._numbering.renew()
            batch.fail(RecordUnknown())
        else:
            self._hand_over(batch, error)

    async def _transact(self, batch: CommitBatch, limit: asyncio.Timeout) -> None:
        """Decide while the epoch is locked, and write in a second message."""
        session = await self._session.open()
        began = time.perf_counter()
        was_due = self._guard.is_due
        if not was_due:
            batch.tickets = self._guard.admit(batch.tickets)
            if not batch.tickets:
                return
        locked = await self._session.lock_epoch(self._guard)
        if was_due:
            batch.tickets = self._guard.admit(batch.tickets)
        if old := outdated(batch.stamps, locked.epoch):
            [found] = await session.run((ENTITIES, [array_of(entities_of(old))]))
            renew(old, dict(pairs_of(found)), locked.epoch)
        entries = batch.decide(locked.epoch, locked.clock)
        if not entries:
            await session.run(ROLLBACK)
        else:
            insertion = insertion_of(batch.bundle_of(entries, locked.clock))
            batch.stage = Stage.COMMITTING
            limit.reschedule(max(limit.when() or 0.0, self.loop.time() + commit_waits.LEAST_FOR_COMMIT))
            await session.run(insertion, COMMIT)
            self._note_written(len(entries), began)
        batch.release()

    def _drop_session(self) -> None:
        self._stop_timer()
        self._session.drop()

    def _hand_over(self, batch: CommitBatch, error: Exception) -> None:
        """Nothing was stored, so the thread decides and writes again."""
        logger.warning("%d audit records are written by the thread", len(batch.tickets), exc_info=error)
        self._drop_session()
        if self._guard.is_due:
            self._guard.update(None)
        hand_over(batch.tickets, self.loop)


_writer = ProcessState(_LoopWriter)
