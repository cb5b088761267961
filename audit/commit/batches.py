"""Group commit: one transaction decides which results may be returned, and records them."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import django.db
from django.db import connection, transaction
from msgspec import Struct

from audit.errors import AuditUnavailable
from audit.log.bundles import Bundle, Entry, bundle_of, entry_of, insert_bundle
from audit.log.events import Actor, Event
from audit.log.numbering import Numbering
from kernel.databases import lock_waits
from kernel.errors import DomainError
from kernel.freshness.epoch import lock_epoch, renew_stamps
from kernel.freshness.stamps import EpochStamp, StaleDecision, entities_of, outdated
from kernel.observability.metrics import audit_batch_size, audit_commit_seconds

logger = logging.getLogger(__name__)

NEVER = datetime.max.replace(tzinfo=UTC)


class Deadline(Struct, frozen=True):
    """From ``at`` (aware, database clock) on, ``error`` replaces the result: for example, a key has expired."""

    at: datetime
    error: Callable[[], DomainError]


class Decision[T](Struct, frozen=True):
    """A result that may be returned once its event is durable, if the epochs and the clock allow it.

    ``stamps`` cover all cached data that the result depends on. Entries of ``not_before`` work the other way round:
    *until* their time, their error replaces the result.
    """

    result: T
    event: Event
    actor: Actor
    stamps: tuple[EpochStamp, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    not_before: tuple[Deadline, ...] = ()

    def require_current(self, epoch: int, now: datetime) -> None:
        """Raises StaleDecision, or the error of a deadline that has passed or of a start that is still ahead."""
        if stale := outdated(self.stamps, epoch):
            raise StaleDecision(frozenset(entities_of(stale)))
        for start in self.not_before:
            if now < start.at:
                raise start.error()
        for deadline in self.deadlines:
            if now >= deadline.at:
                raise deadline.error()


class Ticket[T]:
    """A decision that waits for its batch, and the future on which its caller waits.

    The future is a thread future or, for the writer of an event loop, a future of that loop. The ticket waits until
    ``until`` (time.monotonic), by default for as long as its thread may wait.
    """

    __slots__ = ("decision", "future", "refusal", "until")

    def __init__(
        self,
        decision: Decision[T],
        future: "Future[T] | asyncio.Future[T] | None" = None,
        until: float | None = None,
    ) -> None:
        self.decision = decision
        self.future: Future[T] | asyncio.Future[T] = Future() if future is None else future
        self.until = lock_waits.deadline() if until is None else until
        self.refusal: Exception | None = None

    def release(self) -> None:
        """Set the result or the refusal, unless the caller has given up."""
        if self.future.done():
            return
        if self.refusal is None:
            self.future.set_result(self.decision.result)
        else:
            self.future.set_exception(self.refusal)

    def fail(self, error: Exception) -> None:
        self.refusal = error
        self.release()


type Tickets = Sequence[Ticket[Any]]


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
        for ticket in self.tickets:
            ticket.release()

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
        return [stamp for ticket in self.tickets for stamp in ticket.decision.stamps]

    @property
    def not_after(self) -> datetime:
        """The earliest deadline of the decisions."""
        return min((end.at for ticket in self.tickets for end in ticket.decision.deadlines), default=NEVER)

    def decide(self, epoch: int, now: datetime) -> list[Entry]:
        """The entries of the decisions that may be released. The other tickets get their refusal."""
        entries: list[Entry] = []
        for ticket in self.tickets:
            decision = ticket.decision
            try:
                decision.require_current(epoch, now)
                entry = entry_of(decision.event, decision.actor)
            except Exception as error:  # noqa: BLE001 - an error of one decision must not affect the others
                ticket.refusal = error
            else:
                ticket.refusal = None
                entries.append(entry)
        return entries

    def bundle_of(self, entries: Sequence[Entry], now: datetime) -> Bundle:
        """The bundle of what ``decide`` returned at the same time, with the writer's next numbers."""
        return bundle_of(entries, at=now, writer=self.numbering.writer, first=self.numbering.last + 1)

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
            self.fail(AuditUnavailable())

    def fail(self, error: Exception) -> None:
        """Reject all tickets with this error."""
        for ticket in self.tickets:
            ticket.fail(error)
