"""``audit.commit.writer`` for an event loop, which releases the answers of the fast path.

The writer works per batch. If nothing has changed since the decisions, one message of a prepared form goes to PostgreSQL,
and the answers are finished while the disk works. The loop does this without a task, a future or a thread. Everything
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
from typing import Protocol

from django.conf import settings
from django.db import connection

from audit.commit import writer
from audit.commit.batches import CommitBatch, Stage, Ticket, Waiting, fail, release
from audit.commit.decisions import Decision, Grounds
from audit.commit.guard import LagGuard
from audit.commit.loop_connection import ConnectionLost, LoopConnection, Outcome, StatementFailed, WaitEnded
from audit.commit.loop_statements import (
    BEGIN,
    COMMIT,
    ENTITIES,
    LAG,
    LOCK_EPOCH,
    READ_EPOCH,
    ROLLBACK,
    TOLERANCE,
    EpochReading,
    array_of,
    clock_of,
    epoch_reading_of,
    insertion_of,
    pairs_of,
    write_of,
)
from audit.errors import CROWDED, AuditUnavailable
from audit.log.bundles import bundle_of, new_event_ids
from audit.log.entry_mac import open_entry_key
from audit.log.numbering import Numbering
from kernel.databases.transactions import call_in_pool
from kernel.freshness.stamps import entities_of, outdated, renew
from kernel.observability import tracing
from kernel.observability.metrics import audit_batch_size, audit_commit_seconds
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

MANY = 4  # records in a batch: after smaller ones, the writer does not wait for more
GATHER_ITERATIONS = 10  # iterations of the event loop
GRACE = 0.5  # seconds: the server's timeout, which names the cause, comes first
RECONNECT_AFTER = 1.0  # seconds: meanwhile the thread writes, and reports the problem


class Call(Waiting, Protocol):
    """A decision whose caller is in the event loop."""

    def finish(self) -> None:
        """Compute the answer, while the record is written. Never raises."""
        ...


@tracing.traced_wait("audit commit")
def submit[T](decision: Decision[T], until: float | None = None) -> "asyncio.Future[T]":
    """``audit.commit.writer.submit`` for the running event loop, with the same errors."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    enqueue(_Ticket(decision, future, until))
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


class _Ticket[T](Ticket[T]):
    def finish(self) -> None:
        """The result is finished already."""


class _LoopWriter:
    """A queue, its session and its numbering. One batch at a time is under way."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._is_sqlite = settings.CC_SQLITE
        self._queue: deque[Call] = deque()
        self._is_scheduled = self._is_busy = False
        self._iterations = 0
        self._numbering = Numbering()
        self._guard = LagGuard()
        self._session: LoopConnection | None = None
        self._reading: EpochReading | None = None
        self._expected = 0
        self._refused_at = -RECONNECT_AFTER
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def enqueue(self, call: Call) -> None:
        if self._is_sqlite:
            writer.enqueue(_Elsewhere(call, self.loop))
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
        """Begin the next batch. Callers who just got an answer often submit again, and half batches cost more."""
        if len(self._queue) < min(self._expected, writer.MAX_BATCH) and self._iterations < GATHER_ITERATIONS:
            self._iterations += 1
            self.loop.call_soon(self._begin)
            return
        self._is_scheduled = False
        queue = self._queue
        calls = [call for _ in range(min(writer.MAX_BATCH, len(queue))) if (call := queue.popleft()).begin()]
        if not calls:
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

    def _end_batch(self, size: int) -> None:
        self._is_busy = False
        self._expected = size + len(self._queue) if size >= MANY else 0
        if self._queue:
            self._schedule()
        else:
            self._is_idle.set()

    # --- the usual batch: nothing has changed, and nobody is refused

    def _write_at_once(self, calls: Sequence[Call]) -> bool:
        """Send the batch in one message, which the database confirms. False if it must be decided first.

        The database confirms if the epoch is unchanged, the entries' timestamp is past but recent, and every answer may
        still be released.
        """
        session, reading = self._session, self._reading
        if session is None or session.is_broken or reading is None or self._guard.is_due:
            return False
        counts = Counter([call.decision.grounds for call in calls])
        now = reading.now()
        end = min(now + TOLERANCE, *[grounds.not_after for grounds in counts])
        if end <= now or not self._guard.admits_all or not _are_certain(counts, reading.epoch):
            return False
        try:
            entries = [
                call.decision.entry(event_id)
                for event_id, call in zip(new_event_ids(len(calls)), calls, strict=True)
            ]
        except ValueError:
            return False
        numbering = self._numbering
        bundle = bundle_of(entries, at=now, writer=numbering.writer, first=numbering.last + 1)
        began = time.perf_counter()

        def receive(outcome: Outcome) -> None:
            self._receive(calls, outcome, reading.epoch, began)

        for grounds, count in counts.items():
            self._guard.count(grounds.actor, count)
        # Nothing after this may fail: the batch must not be sent twice.
        try:
            session.send([write_of(bundle, reading.epoch, end)], receive)
        except ConnectionLost:
            return False
        until = min([call.until for call in calls]) - time.monotonic() + GRACE
        self._timer = self.loop.call_later(until, self._give_up, calls)
        for call in calls:  # while the disk works
            call.finish()
        return True

    def _receive(self, calls: Sequence[Call], outcome: Outcome, epoch: int, began: float) -> None:
        """The database has answered the message of ``_write_at_once``."""
        self._stop_timer()
        if not isinstance(outcome, Exception):
            if clock := clock_of(outcome[0]):
                self._reading = EpochReading(epoch, clock, time.monotonic())
                self._note_written(len(calls), began)
                release(calls)
                self._end_batch(len(calls))
                return
            # Nothing was written: decide while the epoch is locked.
            self._task = self.loop.create_task(self._write(calls), context=tracing.without_span())
            return
        self._fail_at_once(calls, outcome)

    def _give_up(self, calls: Sequence[Call]) -> None:
        self._fail_at_once(calls, ConnectionLost())

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
        audit_batch_size.observe(entries)
        audit_commit_seconds.observe(time.perf_counter() - began)

    # --- any other batch

    async def _write(self, calls: Sequence[Call]) -> None:
        batch = CommitBatch(calls, self._numbering)
        try:
            async with asyncio.timeout_at(self.loop.time() + batch.until - time.monotonic() + GRACE):
                await self._transact(batch)
        except Exception as error:  # noqa: BLE001 - each caller gets an answer
            self._recover(batch, error)
        finally:
            self._task = None
            self._end_batch(len(calls))

    def _recover(self, batch: CommitBatch, error: Exception) -> None:
        if isinstance(error, WaitEnded):
            # The thread would wait for the same lock again.
            self._drop_session()
            batch.fail(AuditUnavailable())
        elif isinstance(error, StatementFailed):
            self._hand_over(batch, error)
        elif batch.stage is Stage.COMMITTING:
            # Do not retry: see audit.commit.batches.
            self._drop_session()
            logger.warning("%d audit records were perhaps not written", len(batch.tickets), exc_info=error)
            self._numbering.renew()
            batch.fail(AuditUnavailable())
        elif isinstance(error, TimeoutError):
            self._drop_session()
            batch.fail(AuditUnavailable())
        else:
            self._hand_over(batch, error)

    async def _transact(self, batch: CommitBatch) -> None:
        """Decide while the epoch is locked, and write in a second message."""
        session = await self._open_session()
        began = time.perf_counter()
        was_due = self._guard.is_due
        if not was_due:
            batch.tickets = self._guard.admit(batch.tickets)
            if not batch.tickets:
                return
        locked = await self._lock_epoch(session)
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
            await session.run(insertion, COMMIT)
            self._note_written(len(entries), began)
        batch.release()

    async def _lock_epoch(self, session: LoopConnection) -> EpochReading:
        """``kernel.freshness.epoch.lock_epoch``. Once a second, it also reads the lag of the log."""
        is_due = self._guard.is_due
        _, _, locked, *lag = await session.run(BEGIN, LOCK_EPOCH, READ_EPOCH, *([LAG] if is_due else []))
        self._reading = epoch_reading_of(locked)
        if is_due:
            self._guard.update(float(lag[0].get_value(0, 0) or 0) if lag[0].ntuples else 0.0)
        return self._reading

    async def _open_session(self) -> LoopConnection:
        if self._session is not None and not self._session.is_broken:
            return self._session
        self._drop_session()
        if time.monotonic() - self._refused_at < RECONNECT_AFTER:
            raise ConnectionLost
        try:
            # Also load the key of the MACs here, in a thread that may block.
            await self.loop.run_in_executor(None, call_in_pool, open_entry_key)
            self._session = await LoopConnection.connect(connection.get_connection_params())
        except Exception:
            self._refused_at = time.monotonic()
            raise
        return self._session

    def _drop_session(self) -> None:
        self._stop_timer()
        if self._session is not None:
            self._session.close()
            self._session = self._reading = None

    def _hand_over(self, batch: CommitBatch, error: Exception) -> None:
        """Nothing was stored, so the thread decides and writes again."""
        logger.warning("%d audit records are written by the thread", len(batch.tickets), exc_info=error)
        self._drop_session()
        if self._guard.is_due:
            self._guard.update(None)
        for call in batch.tickets:
            try:
                writer.enqueue(_Elsewhere(call, self.loop))
            except AuditUnavailable as refused:
                fail(call, refused)


def _are_certain(grounds: Counter[Grounds], epoch: int) -> bool:
    return all(each.are_certain(epoch) for each in grounds)


class _Elsewhere:
    """A call whose record the thread writes. It is released in the event loop."""

    def __init__(self, call: Waiting, loop: asyncio.AbstractEventLoop) -> None:
        self.decision, self.until = call.decision, call.until
        self.refusal: Exception | None = None
        self._call, self._loop = call, loop

    def begin(self) -> bool:
        return True

    def release(self) -> None:
        self._call.refusal = self.refusal
        self._loop.call_soon_threadsafe(self._call.release)


_writer = ProcessState(_LoopWriter)
