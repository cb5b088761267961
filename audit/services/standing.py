"""How the log stands, for whoever reads it: what is signed, what waits, and whether something is wrong."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit import actions
from audit.lag import Lag, is_falling_behind, read_lag
from audit.models import READ_PERMISSION, AuditCheckpoint, AuditLog, Reader
from audit.services.proofs import opened
from audit.tree import latest_checkpoint
from ciphercanary.clock import process_now
from ciphercanary.row_mac import IntegrityFailed

RECENT = timedelta(days=7)
COUNTED = 100  # alarms


class State(StrEnum):
    GOOD = "good"
    UNSIGNED = "unsigned"  # no checkpoint yet
    BEHIND = "behind"  # entries wait longer than they should
    ALARMED = "alarmed"  # the log tells of an alarm
    BROKEN = "broken"  # the newest checkpoint does not hold


@dataclass(frozen=True, slots=True)
class Standing:
    """``size`` entries are signed since ``signed_at``. ``alarms`` of the last week, counted up to ``COUNTED``."""

    state: State
    size: int
    signed_at: datetime | None
    lag: Lag
    alarms: int


def read_standing(*, reader: Reader) -> Standing:
    """Of the newest checkpoint, whose signatures are verified. Raises Denied.

    Alarms are told to whoever reads the whole log: they are entries of it.
    """
    reach = reader.scope(READ_PERMISSION)
    newest, lag = latest_checkpoint(), read_lag()
    alarms = _count_alarms() if reach == "all" else 0
    return Standing(
        _state(newest, lag, alarms),
        newest.size if newest else 0,
        newest.signed_at if newest else None,
        lag,
        alarms,
    )


def _state(newest: AuditCheckpoint | None, lag: Lag, alarms: int) -> State:
    if newest is None:
        return State.UNSIGNED
    try:
        opened(newest)
    except IntegrityFailed:
        return State.BROKEN
    if alarms:
        return State.ALARMED
    return State.BEHIND if is_falling_behind(lag.seconds) else State.GOOD


def _count_alarms() -> int:
    recent = AuditLog.objects.filter(action=actions.LOG_ALARMED, timestamp__gte=process_now() - RECENT)
    return recent.order_by()[:COUNTED].count()
