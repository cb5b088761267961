"""One transaction for the records of many answers: which of them may still leave, and the rows of those."""

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
from audit.log.canonical import format_timestamp
from audit.log.entry_rows import EntryRow, entry_row, insert_rows
from audit.log.events import Actor, Event
from audit.log.numbering import Numbering
from kernel.databases import lock_waits
from kernel.errors import DomainError
from kernel.freshness.epoch import hold_epoch, renew_stamps
from kernel.freshness.errors import StaleDecision
from kernel.freshness.stamps import EpochStamp, behind, entities_of
from kernel.observability.metrics import audit_batch_size, audit_commit_seconds

logger = logging.getLogger(__name__)

NEVER = datetime.max.replace(tzinfo=UTC)


class Deadline(Struct, frozen=True):
    """From ``at`` (aware, the database's clock) the answer is what ``error`` makes: a key or a token has expired."""

    at: datetime
    error: Callable[[], DomainError]


class Decision[T](Struct, frozen=True):
    """A result that may leave once its event is durable, if the epochs and the clock allow it.

    ``stamps`` are those of everything cached that the result was computed from. Those of ``not_before``
    are turned round: *until* their moment the answer is their error.
    """

    result: T
    event: Event
    actor: Actor
    stamps: tuple[EpochStamp, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    not_before: tuple[Deadline, ...] = ()

    def require_current(self, epoch: int, now: datetime) -> None:
        """Raises StaleDecision, and the error of a deadline that has passed or a beginning still to come."""
        if stale := behind(self.stamps, epoch):
            raise StaleDecision(frozenset(entities_of(stale)))
        for start in self.not_before:
            if now < start.at:
                raise start.error()
        for deadline in self.deadlines:
            if now >= deadline.at:
                raise deadline.error()


class Ticket[T]:
    """A decision that waits for its batch, and the future on which its caller waits.

    The future is one of threads or, of a writer in an event loop, one of that loop. It waits no longer than
    ``until`` (of time.monotonic), or than its thread may still wait.
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
        """Hand out the result, or why there is none, unless its caller has given up."""
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
    """How far a transaction came. Before COMMIT was sent, or where the server says that it failed, nothing was stored."""

    DECIDING = auto()
    INSERTING = auto()
    COMMITTING = auto()


class Batch:
    """The tickets of one transaction. ``write`` never raises: whatever happens reaches each caller by himself."""

    def __init__(self, tickets: Tickets, numbering: Numbering) -> None:
        self.tickets = tickets
        self.numbering = numbering
        self.stage = Stage.DECIDING

    @property
    def until(self) -> float:
        """The moment (of time.monotonic) at which the first of them has waited long enough."""
        return min(ticket.until for ticket in self.tickets)

    def write(self, *, may_retry: bool = True) -> None:
        """Decide and record them in one transaction; release the answers once it has committed."""
        try:
            with lock_waits.waiting_until(self.until):
                self._transact()
        except django.db.Error as error:
            self._recover(error, may_retry=may_retry)
        except Exception as error:  # noqa: BLE001 - the thread of everybody's answers must not end with one batch
            self.fail(error)
        else:
            self.release()

    def release(self) -> None:
        """Once it has committed: the answers leave."""
        for ticket in self.tickets:
            ticket.release()

    @audit_commit_seconds.time()
    def _transact(self) -> None:
        with transaction.atomic(durable=True):
            epoch, now = hold_epoch()
            # What still holds is current after this; each decision then looks at its own.
            renew_stamps(self.stamps, epoch)
            rows = self.decide(epoch, now)
            if rows:
                self.stage = Stage.INSERTING
                insert_rows(rows)
            self.stage = Stage.COMMITTING
        self.numbering.advance(len(rows))
        audit_batch_size.observe(len(rows))

    @property
    def stamps(self) -> list[EpochStamp]:
        """What the decisions rest on. To be renewed before ``decide``."""
        return [stamp for ticket in self.tickets for stamp in ticket.decision.stamps]

    @property
    def not_after(self) -> datetime:
        """The first moment at which one of the answers may no longer leave."""
        return min((end.at for ticket in self.tickets for end in ticket.decision.deadlines), default=NEVER)

    def decide(self, epoch: int, now: datetime) -> list[EntryRow]:
        """The rows of those whose answer may leave; the others know their refusal then."""
        rows: list[EntryRow] = []
        at, writer = format_timestamp(now), str(self.numbering.writer)
        for ticket in self.tickets:
            decision = ticket.decision
            wseq = self.numbering.last + len(rows) + 1
            try:
                decision.require_current(epoch, now)
                row = entry_row(decision.event, decision.actor, at=at, writer=writer, wseq=wseq)
            except Exception as error:  # noqa: BLE001 - one decision's error is not that of the others
                ticket.refusal = error
            else:
                ticket.refusal = None
                rows.append(row)
        return rows

    def _recover(self, error: django.db.Error, *, may_retry: bool) -> None:
        logger.warning("a batch of %d audit records was not written", len(self.tickets), exc_info=error)
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
        is_one_rows_fault = isinstance(error, django.db.DataError | django.db.IntegrityError)
        if self.stage is Stage.INSERTING and is_one_rows_fault and len(self.tickets) > 1:
            # One poisonous row must not cost the others their answer.
            half = len(self.tickets) // 2
            Batch(self.tickets[:half], self.numbering).write()
            Batch(self.tickets[half:], self.numbering).write()
        elif self.stage is Stage.DECIDING and may_retry and time.monotonic() < self.until:
            # The connection died while it was idle; nothing was sent that could be there twice. A wait for a lock that
            # ended has used up the time.
            self.write(may_retry=False)
        else:
            # After a COMMIT with unknown outcome the records are not sent again: one too many, of an answer that
            # never left, is the lesser evil, and the same event twice would be a lie.
            self.numbering.renew()
            self.fail(AuditUnavailable())

    def fail(self, error: Exception) -> None:
        """None of the answers leaves."""
        for ticket in self.tickets:
            ticket.fail(error)
