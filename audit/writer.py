"""The record of a cryptographic operation, durable before its answer leaves.

The result is computed in memory, from cached keys and rights; ``commit`` then writes its record in one
transaction, which also decides whether the result may still leave. The linearisation point is that commit.
"""

from dataclasses import dataclass
from datetime import datetime

import django.db
from django.db import transaction

from audit.epoch import hold_epoch
from audit.errors import AuditUnavailable, StaleDecision
from audit.events import Actor, Event
from audit.services import record
from ciphercanary.errors import DomainError


@dataclass(frozen=True, slots=True)
class Deadline:
    """From ``at`` (aware, the database's clock) the answer is ``error``: a key or a token has expired."""

    at: datetime
    error: DomainError


@dataclass(frozen=True, slots=True)
class Decision[T]:
    """A result that may leave once its event is durable, if the epoch and the clock allow it.

    ``epoch`` is the one read before the rows that the result was computed from. Those of ``not_before``
    are turned round: *until* their moment the answer is their error.
    """

    result: T
    event: Event
    actor: Actor
    epoch: int
    deadlines: tuple[Deadline, ...] = ()
    not_before: tuple[Deadline, ...] = ()


def commit[T](decision: Decision[T]) -> T:
    """Make the event durable and hand out the result. Called outside any transaction.

    Raises StaleDecision where anything security-relevant changed since (decide anew), the error of a deadline
    that has passed, and AuditUnavailable where the record is not known to be durable. After a COMMIT with
    unknown outcome it is not sent again: a record too many of an answer that never left is the lesser evil,
    and the same event twice would be a lie.
    """
    try:
        with transaction.atomic(durable=True):
            epoch, now = hold_epoch()
            _check(decision, epoch, now)
            record(decision.event, decision.actor, at=now)
    except django.db.Error as error:
        raise AuditUnavailable from error
    return decision.result


def _check[T](decision: Decision[T], epoch: int, now: datetime) -> None:
    if epoch != decision.epoch:
        raise StaleDecision
    for start in decision.not_before:
        if now < start.at:
            raise start.error
    for deadline in decision.deadlines:
        if now >= deadline.at:
            raise deadline.error
