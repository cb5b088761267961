"""Notices without a touch: a heartbeat each day, so that officers notice silence, and the lag of the log."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.sequencing import timestamps
from audit.sequencing.lag import read_lag_seconds
from canaries.documents import CanarySet, Incidents
from canaries.models import LogPosition
from canaries.notices import HEARTBEAT, LOG_LATE, LOG_RECOVERED, queue_text
from canaries.sealed.store import Change, changing, read_incidents, read_set
from kernel.clock import database_now
from kernel.trust.row_mac import IntegrityFailed

HEARTBEAT_PERIOD: Final = timedelta(days=1)
_LATE_SECONDS: Final = 60.0
_RECOVERED_SECONDS: Final = 10.0  # much less, so that a lag around the limit is one notice


@dataclass(frozen=True, slots=True)
class WatchLag:
    """The ages in seconds of the oldest entries that are not sequenced, and not watched. 0.0 without any."""

    unsequenced: float
    unwatched: float

    @property
    def seconds(self) -> float:
        return max(self.unsequenced, self.unwatched)

    def changes(self, incidents: Incidents) -> bool:
        """Whether the log has become late, or is no longer."""
        return self.seconds < _RECOVERED_SECONDS if incidents.is_late else self.seconds > _LATE_SECONDS


def queue_due() -> None:
    """Queue the heartbeat and notices of the lag, if they are due. Raises DocumentsAltered."""
    lag, now = _read_lag(), database_now()
    incidents = read_incidents()
    if _needs_heartbeat(read_set(), incidents, now) or lag.changes(incidents):
        with changing() as change:
            _queue_heartbeat(change)
            _queue_lag(change, lag)


def _read_lag() -> WatchLag:
    return WatchLag(read_lag_seconds(), _unwatched_seconds())


def _unwatched_seconds() -> float:
    """Infinite if someone altered or removed the position."""
    position = LogPosition.objects.filter(pk=True).first()
    try:
        last_id = position.check_mac().last_id if position else None
    except IntegrityFailed:
        last_id = None
    if last_id is None:
        return math.inf
    since = timestamps.after(last_id).first()
    return max(0.0, (database_now() - since).total_seconds()) if since else 0.0


def _needs_heartbeat(canaries: CanarySet, incidents: Incidents, now: datetime) -> bool:
    last = incidents.heartbeat_at
    return bool(canaries.channels) and (last is None or now - last >= HEARTBEAT_PERIOD)


def _queue_heartbeat(change: Change) -> None:
    if not _needs_heartbeat(change.set, change.incidents, change.at):
        return
    change.incidents.heartbeat_at = change.at
    opened = sum(incident.is_open for incident in change.incidents.incidents)
    text = (
        f"The worker watches the log and sends this notice once a day. Open incidents: {opened}. "
        "Next step: if the next heartbeat does not arrive within 25 hours, check the worker of the installation."
    )
    queue_text(change, HEARTBEAT, "Heartbeat", text, change.set.channels, key=HEARTBEAT)


def _queue_lag(change: Change, lag: WatchLag) -> None:
    if not lag.changes(change.incidents):
        return
    change.incidents.is_late = not change.incidents.is_late
    if change.incidents.is_late:
        topic, title, text = LOG_LATE, "The audit log is late, so touches are found late", _reason_of(lag)
    else:
        topic, title = LOG_RECOVERED, "The audit log is no longer late"
        text = "Touches are found within seconds again."
    queue_text(change, topic, title, text, change.set.channels, key="lag")


def _reason_of(lag: WatchLag) -> str:
    if math.isinf(lag.unwatched):
        return "Someone altered or removed the position of the watcher. Next step: restore the database."
    if lag.unsequenced >= lag.unwatched:
        reason, program = "is not sequenced", "sequencer"
    else:
        reason, program = "was not searched for touches", "worker"
    return f"The oldest entry that {reason} is {lag.seconds:.0f} s old. Next step: check the {program} and its log."
