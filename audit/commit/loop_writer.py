"""``audit.commit.writer`` for an event loop: a task of the loop releases the answers of the fast path.

Batches and decisions are the same. Only the access to the database differs. On PostgreSQL, the task does it in the
loop, without handing work over to a thread and back. If the server reports a failure, nothing was stored, and the
batch goes to the thread of ``audit.commit.writer``, which handles bad rows and dead connections. Lock timeouts are not
retried. If the server does not respond to COMMIT, the outcome is unknown. On SQLite, the thread does all of it,
because SQLite can be used only from a thread.
"""

import asyncio
import logging
import time
from collections import deque
from concurrent.futures import Future
from typing import Any

from django.conf import settings
from django.db import connection

from audit.commit import writer
from audit.commit.batches import CommitBatch, Decision, Stage, Ticket
from audit.commit.guard import LagGuard
from audit.commit.loop_connection import ConnectionLost, LoopConnection, StatementFailed, WaitEnded
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


def submit[T](decision: Decision[T], until: float | None = None) -> "asyncio.Future[T]":
    """``audit.commit.writer.submit`` for the running event loop, with the same errors."""
    if settings.CC_SQLITE:
        return asyncio.wrap_future(writer.submit(decision, until))
    if _writer.current.loop is not asyncio.get_running_loop():
        _writer.drop()
    return _writer.current.submit(decision, until)


async def close() -> None:
    """Write waiting records, then end the task. The next ``submit`` starts a new one."""
    if ending := _writer.drop():
        await ending.end()


class _LoopWriter:
    """A task, its queue, its session and its numbering."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._queue: deque[Ticket[Any]] = deque()
        self._changed = asyncio.Event()
        self._is_closing = False
        self._numbering = Numbering()
        self._guard = LagGuard()
        self._session: LoopConnection | None = None
        self._reading: EpochReading | None = None
        self._expected = 0
        self._refused_at = -RECONNECT_AFTER
        self._task = self.loop.create_task(self._run(), context=tracing.without_span())

    @tracing.traced_wait("audit commit")
    def submit[T](self, decision: Decision[T], until: float | None) -> "asyncio.Future[T]":
        if len(self._queue) >= writer.MAX_WAITING:
            raise AuditUnavailable(CROWDED)
        future: asyncio.Future[T] = self.loop.create_future()
        self._queue.append(Ticket(decision, future, until))
        self._changed.set()
        return future

    async def end(self) -> None:
        self._is_closing = True
        self._changed.set()
        await self._task

    async def _run(self) -> None:
        try:
            while tickets := await self._next_batch():
                await self._write(tickets)
                self._expected = len(tickets) + len(self._queue) if len(tickets) >= MANY else 0
        finally:
            self._drop_session()

    async def _next_batch(self) -> list[Ticket[Any]]:
        """The waiting tickets, at least one; empty when closing. Cancelled tickets are left out."""
        while True:
            while not self._queue:
                if self._is_closing:
                    return []
                self._changed.clear()
                await self._changed.wait()
            await self._wait_for_more()
            waiting = [self._queue.popleft() for _ in range(min(writer.MAX_BATCH, len(self._queue)))]
            if batch := [ticket for ticket in waiting if not ticket.future.cancelled()]:
                return batch

    async def _wait_for_more(self) -> None:
        """Callers who just got an answer often submit again: alternating half batches cost more than a full one."""
        for _ in range(GATHER_ITERATIONS):
            if len(self._queue) >= min(self._expected, writer.MAX_BATCH):
                return
            await asyncio.sleep(0)

    async def _write(self, tickets: list[Ticket[Any]]) -> None:
        batch = CommitBatch(tickets, self._numbering)
        try:
            async with asyncio.timeout_at(self.loop.time() + batch.until - time.monotonic() + GRACE):
                await self._transact(batch)
        except WaitEnded:
            # The thread would wait for the same lock again.
            self._drop_session()
            batch.fail(AuditUnavailable())
        except StatementFailed as error:
            self._hand_over(batch, error)
        except Exception as error:
            self._drop_session()
            if batch.stage is Stage.COMMITTING:
                # Do not retry: see audit.commit.batches.
                logger.warning("%d audit records were perhaps not written", len(batch.tickets), exc_info=True)
                self._numbering.renew()
                batch.fail(AuditUnavailable())
            elif isinstance(error, TimeoutError):
                batch.fail(AuditUnavailable())
            else:
                self._hand_over(batch, error)

    async def _transact(self, batch: CommitBatch) -> None:
        session = await self._open_session()
        began = time.perf_counter()
        reading = None if self._guard.is_due else self._reading
        locked = None if reading else await self._lock_epoch(session)
        batch.tickets = self._guard.admit(batch.tickets)
        if reading and not batch.tickets:
            return
        rows = await self._write_at_once(session, batch, reading) if reading else 0
        if not rows:
            rows = await self._write_locked(session, batch, locked or await self._lock_epoch(session))
        if rows:
            self._numbering.advance(rows)
            audit_batch_size.observe(rows)
            audit_commit_seconds.observe(time.perf_counter() - began)
        batch.release()

    async def _write_at_once(self, session: LoopConnection, batch: CommitBatch, reading: EpochReading) -> int:
        """Decide with the last known epoch, and write in one message if the database confirms.

        The database confirms if the epoch is unchanged, the entries' timestamp is past but recent, and every answer may
        still be released. Everything else, including refusals, is decided while the epoch is locked. Returns the number
        of entries, or 0.
        """
        now = reading.now()
        entries = batch.decide(reading.epoch, now)
        if len(entries) < len(batch.tickets) or not entries:
            return 0
        until = min(now + TOLERANCE, batch.not_after)
        statement = write_of(batch.bundle_of(entries, now), reading.epoch, until)
        batch.stage = Stage.COMMITTING
        [written] = await session.run(statement)
        if clock := clock_of(written):
            self._reading = EpochReading(reading.epoch, clock, time.monotonic())
            return len(entries)
        batch.stage = Stage.DECIDING
        return 0

    async def _write_locked(self, session: LoopConnection, batch: CommitBatch, locked: EpochReading) -> int:
        """Decide while the epoch is locked, and write in a second message. Returns the number of entries."""
        if old := outdated(batch.stamps, locked.epoch):
            [found] = await session.run((ENTITIES, [array_of(entities_of(old))]))
            renew(old, dict(pairs_of(found)), locked.epoch)
        entries = batch.decide(locked.epoch, locked.clock)
        if not entries:
            await session.run(ROLLBACK)
            return 0
        insertion = insertion_of(batch.bundle_of(entries, locked.clock))
        batch.stage = Stage.COMMITTING
        await session.run(insertion, COMMIT)
        return len(entries)

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
        if self._session is not None:
            self._session.close()
            self._session = self._reading = None

    def _hand_over(self, batch: CommitBatch, error: Exception) -> None:
        """Nothing was stored, so the thread decides and writes again."""
        logger.warning("%d audit records are written by the thread", len(batch.tickets), exc_info=error)
        self._drop_session()
        if self._guard.is_due:
            self._guard.update(None)
        for ticket in batch.tickets:
            if not ticket.future.done():
                self._hand_over_one(ticket)

    def _hand_over_one(self, ticket: Ticket[Any]) -> None:
        try:
            elsewhere = writer.submit(ticket.decision, ticket.until)
        except AuditUnavailable as error:
            ticket.fail(error)
        else:
            elsewhere.add_done_callback(
                lambda done: self.loop.call_soon_threadsafe(_pass_on, done, ticket.future)
            )


def _pass_on(done: "Future[Any]", waiting: "Future[Any] | asyncio.Future[Any]") -> None:
    if waiting.done():
        return
    if error := done.exception():
        waiting.set_exception(error)
    else:
        waiting.set_result(done.result())


_writer = ProcessState(_LoopWriter)
