"""Is the log well? One answer for every page: what is signed, what waits, and whether something is wrong.

A page that asks the database for more in the same statement takes ``questions`` into it, and gives the row to ``signs_of``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import DateTimeField, Value
from django.db.models.expressions import BaseExpression
from django.db.models.functions import Cast

from audit import moments
from audit.lag import Delay
from audit.models import READ_PERMISSION, AuditCheckpoint, Reader
from audit.services.proofs import opened
from audit.tree import latest_checkpoint
from ciphercanary.clock import process_now
from ciphercanary.models import Instance
from ciphercanary.row_mac import IntegrityFailed

ALARM_SHOWN = timedelta(days=7)  # an alarm is shown for so long


class State(StrEnum):
    GOOD = "good"
    UNSIGNED = "unsigned"  # no checkpoint yet
    BEHIND = "behind"  # entries wait longer than they should
    ALARMED = "alarmed"  # the log tells of an alarm
    BROKEN = "broken"  # the newest checkpoint does not hold


@dataclass(frozen=True, slots=True)
class Signs:
    """Since when the oldest entry ``waits`` for its place in the tree or for a signature, and for how long.

    ``alarmed_at``: the newest alarm, while it is shown; None also for whoever may not hear of alarms.
    """

    delay: Delay
    waits_since: datetime | None
    alarmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """``size`` entries are signed since ``signed_at``; ``pending`` ones (counted up to 100,000) are not in the tree."""

    state: State
    pending: int
    signs: Signs
    size: int = 0
    signed_at: datetime | None = None


def may_hear_of_alarms(reader: Reader) -> bool:
    """Whoever reads the whole log: they are entries of it. Raises Denied for who may not read it at all."""
    return reader.scope(READ_PERMISSION) == "all"


def questions(reader: Reader) -> Mapping[str, BaseExpression]:
    """Columns of a row from which ``signs_of`` reads. Raises Denied."""
    alarm = moments.last_alarm() if may_hear_of_alarms(reader) else Cast(Value(None), DateTimeField())
    return {
        "log_unsequenced": moments.since_unsequenced(),
        "log_unsigned": moments.since_unsigned(),
        "log_alarmed": alarm,
    }


def signs_of(row: Mapping[str, Any], now: datetime) -> Signs:
    """Of a row with the columns of ``questions``."""
    unsequenced, unsigned, alarmed_at = (
        row[name] for name in ("log_unsequenced", "log_unsigned", "log_alarmed")
    )
    return Signs(
        delay=Delay.since(unsequenced, unsigned, now),
        waits_since=min(filter(None, (unsequenced, unsigned)), default=None),
        alarmed_at=alarmed_at if alarmed_at and now - alarmed_at < ALARM_SHOWN else None,
    )


def read_standing(*, reader: Reader) -> Standing:
    """By the signs and the newest checkpoint, whose signatures are verified. Raises Denied."""
    row: dict[str, Any] = dict(
        Instance.objects.values(pending=moments.pending_count(), **questions(reader)).get()
    )
    signs, newest = signs_of(row, process_now()), latest_checkpoint()
    state = _state(newest, signs)
    if newest is None:
        return Standing(state, row["pending"], signs)
    return Standing(state, row["pending"], signs, newest.size, newest.signed_at)


def _state(newest: AuditCheckpoint | None, signs: Signs) -> State:
    """The worst that is so."""
    if newest is not None and not _holds(newest):
        return State.BROKEN
    if signs.alarmed_at is not None:
        return State.ALARMED
    if signs.delay.is_late:
        return State.BEHIND
    return State.UNSIGNED if newest is None else State.GOOD


def _holds(newest: AuditCheckpoint) -> bool:
    try:
        opened(newest)
    except IntegrityFailed:
        return False
    return True
