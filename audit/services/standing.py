"""How the log stands, for whoever reads it: what is signed, what waits, and whether something is wrong."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit.lag import COUNTED, is_falling_behind
from audit.models import READ_PERMISSION, AuditCheckpoint, AuditPending, Reader
from audit.moments import last_alarm, since_unsequenced
from audit.services.proofs import opened
from ciphercanary.clock import process_now
from ciphercanary.row_mac import IntegrityFailed

RECENT = timedelta(days=7)  # an alarm is shown for so long


class State(StrEnum):
    GOOD = "good"
    UNSIGNED = "unsigned"  # no checkpoint yet
    BEHIND = "behind"  # entries wait longer than they should
    ALARMED = "alarmed"  # the log tells of an alarm
    BROKEN = "broken"  # the newest checkpoint does not hold


@dataclass(frozen=True, slots=True)
class Standing:
    """``size`` entries are signed since ``signed_at``; ``pending`` ones (counted up to 100,000) are not in the tree, the
    oldest of them since ``waiting_since``; ``alarmed_at``: the newest alarm.
    """

    state: State
    pending: int
    size: int = 0
    signed_at: datetime | None = None
    waiting_since: datetime | None = None
    alarmed_at: datetime | None = None


def read_standing(*, reader: Reader) -> Standing:
    """By the newest checkpoint, whose signatures are verified. Raises Denied.

    Alarms are told to whoever reads the whole log: they are entries of it.
    """
    sees_alarms = reader.scope(READ_PERMISSION) == "all"
    pending = AuditPending.objects.all()[:COUNTED].count()
    newest = _newest_checkpoint()
    if newest is None:
        return Standing(State.UNSIGNED, pending)
    row, waiting_since, alarmed_at = newest
    alarmed_at = alarmed_at if sees_alarms else None
    state = _state(row, waiting_since, alarmed_at)
    return Standing(state, pending, row.size, row.signed_at, waiting_since, alarmed_at)


def _newest_checkpoint() -> tuple[AuditCheckpoint, datetime | None, datetime | None] | None:
    """And what else is asked for, by the same statement: since when entries wait, and the newest alarm."""
    rows = AuditCheckpoint.objects.annotate(waiting_since=since_unsequenced(), alarmed_at=last_alarm())
    row = rows.order_by("-size").first()
    return None if row is None else (row, row.waiting_since, row.alarmed_at)


def _state(row: AuditCheckpoint, waiting_since: datetime | None, alarmed_at: datetime | None) -> State:
    now = process_now()
    try:
        opened(row)
    except IntegrityFailed:
        return State.BROKEN
    if alarmed_at is not None and now - alarmed_at < RECENT:
        return State.ALARMED
    is_late = waiting_since is not None and is_falling_behind((now - waiting_since).total_seconds())
    return State.BEHIND if is_late else State.GOOD
