"""Group commit: one transaction decides which results may be returned, and records them."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from enum import Enum, auto
from typing import Any, Protocol

import django.db
from django.db import connection, transaction

from audit.commit.decisions import Decision
from audit.errors import OVERDUE, AuditUnavailable, RecordUnknown
from audit.log.bundles import Bundle, Entry, bundle_of, insert_bundle, new_event_ids
from audit.log.numbering import Numbering
from kernel.databases import commit_waits, lock_waits
from kernel.databases.commit_waits import CommitUnconfirmed
from kernel.freshness.epoch import lock_epoch, renew_stamps
from kernel.freshness.stamps import EpochStamp
from kernel.observability.metrics import audit_batch_size, audit_commit_seconds

logger = logging.getLogger(__name__)


class Waiting(Protocol):
    """A decision that waits for its batch, until ``until`` (time.monotonic), and its caller."""

    decision: Decision[Any]
    until: float
    refusal: Exception | None

    def begin(self) -> bool:
        """False if the caller has given up. From here on, they cannot."""
        ...

    def release(self) -> None:
        """Pass the result to the caller, or the refusal if there is one."""
        ...


class Ticket[T]:
    """A caller who waits on a future, of a thread or of an event loop, by default as long as its thread may wait.

    The result is finished before the record is written. If the thread's time is up already, the wait is
    ``lock_waits.LEAST``: a ticket that is overdue from the start would fail its whole batch.
    """

    __slots__ = ("_result", "decision", "future", "refusal", "until")

    def __init__(
        self,
        decision: Decision[T],
        future: "Future[T] | asyncio.Future[T] | None" = None,
        until: float | None = None,
    ) -> None:
        self.decision = decision
        self._result = decision.finish()
        self.future: Future[T] | asyncio.Future[T] = Future() if future is None else future
        self.until = time.monotonic() + lock_waits.seconds_left() if until is None else until
        self.refusal: Exception | None = None

    def begin(self) -> bool:
        if isinstance(self.future, Future):
            return self.future.set_running_or_notify_cancel()
        return not self.future.cancelled()

    def finish(self) -> None:
        """The result is finished already."""

    def release(self) -> None:
        if self.future.done():
            return
        if self.refusal is None:
            self.future.set_result(self._result)
        else:
            self.future.set_exception(self.refusal)


type Tickets = Sequence[Waiting]


def fail(waiting: Waiting, error: Exception) -> None:
    """Release the caller with this error."""
    waiting.refusal = error
    release([waiting])


def release(tickets: Tickets) -> None:
    """Release the callers. An error of one must not affect the others."""
    for ticket in tickets:
        try:
            ticket.release()
        except Exception:
            logger.exception("a result could not be released")


def refuse_if_overdue(tickets: Tickets) -> bool:
    """Refuse the tickets, and return True, while the database has not confirmed an earlier commit."""
    if is_overdue := commit_waits.are_overdue():
        for ticket in tickets:
            fail(ticket, AuditUnavailable(OVERDUE))
    return is_overdue


class Stage(Enum):
    """Progress of a transaction. Nothing is stored before COMMIT is sent, or if the server reports that it failed."""

    DECIDING = auto()
    INSERTING = auto()
    COMMITTING = auto()


class CommitBatch:
    """The tickets of one transaction. ``write`` never raises: each caller gets its error through its ticket."""

    def __init__(self, tickets: Tickets, numbering: Numbering) -> None:
        self.tickets = tickets
        self.numbering = numbering
        self.stage = Stage.DECIDING

    @property
    def until(self) -> float:
        """The earliest timeout of the tickets (time.monotonic)."""
        return min(ticket.until for ticket in self.tickets)

    def write(self, *, may_retry: bool = True) -> None:
        """Decide and record the tickets in one transaction. Release the results after the commit."""
        try:
            with lock_waits.waiting_until(self.until):
                self._transact()
        except django.db.Error as error:
            self._recover(error, may_retry=may_retry)
        except Exception as error:  # noqa: BLE001 - one batch must not end the thread that writes all records
            self.fail(error)
        else:
            self.release()

    def release(self) -> None:
        """Release all results. Call it only after the commit."""
        release(self.tickets)

    @audit_commit_seconds.time()
    def _transact(self) -> None:
        with transaction.atomic(durable=True):
            epoch, now = lock_epoch()
            # Renews the stamps that are still valid. Each decision then checks its own stamps.
            renew_stamps(self.stamps, epoch)
            entries = self.decide(epoch, now)
            if entries:
                bundle = self.bundle_of(entries, now)
                self.stage = Stage.INSERTING
                insert_bundle(bundle)
            self.stage = Stage.COMMITTING
        self.numbering.advance(len(entries))
        audit_batch_size.observe(len(entries))

    @property
    def stamps(self) -> list[EpochStamp]:
        """The stamps of all decisions. Renew them before ``decide``."""
        return [stamp for ticket in self.tickets for stamp in ticket.decision.grounds.stamps]

    def decide(self, epoch: int, now: datetime) -> list[Entry]:
        """The entries of the decisions that may be released. The other tickets get their refusal."""
        entries: list[Entry] = []
        for event_id, ticket in zip(new_event_ids(len(self.tickets)), self.tickets, strict=True):
            decision = ticket.decision
            try:
                decision.grounds.require_current(epoch, now)
                entry = decision.entry(event_id)
            except Exception as error:  # noqa: BLE001 - an error of one decision must not affect the others
                ticket.refusal = error
            else:
                ticket.refusal = None
                entries.append(entry)
        return entries

    def bundle_of(self, entries: Sequence[Entry], now: datetime) -> Bundle:
        """The bundle of what ``decide`` returned at the same time, with the writer's next numbers."""
        return bundle_of(entries, at=now, writer=self.numbering.name, first=self.numbering.last + 1)

    def _recover(self, error: django.db.Error, *, may_retry: bool) -> None:
        logger.warning("a batch of %d audit records was not written", len(self.tickets), exc_info=error)
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        is_one_rows_fault = isinstance(error, django.db.DataError | django.db.IntegrityError)
        if self.stage is Stage.INSERTING and is_one_rows_fault and len(self.tickets) > 1:
            # Split the batch, so that one bad row does not fail the others.
            half = len(self.tickets) // 2
            CommitBatch(self.tickets[:half], self.numbering).write()
            CommitBatch(self.tickets[half:], self.numbering).write()
        elif self.stage is Stage.DECIDING and may_retry and time.monotonic() < self.until:
            # The idle connection died before anything was inserted, so a retry cannot duplicate rows. After a lock
            # timeout, no time is left for a retry.
            self.write(may_retry=False)
        else:
            # Do not retry a COMMIT with an unknown outcome. One extra record, of a result that was never returned,
            # is better than recording the same event twice.
            self.numbering.renew()
            self.fail(RecordUnknown() if isinstance(error, CommitUnconfirmed) else AuditUnavailable())

    def fail(self, error: Exception) -> None:
        """Reject all tickets with this error."""
        for ticket in self.tickets:
            fail(ticket, error)
