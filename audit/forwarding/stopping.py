"""Stop log targets whose receivers have entries that are not in the log, because an older database was accepted."""

from typing import Final

from audit.models import LogTarget
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from kernel.clock import database_now

REASON: Final = (
    "The receiver has entries that the log does not have. An older database may have been accepted."
)


def stop_all() -> None:
    """Stop every target in the transaction that accepts an older database: the positions are older, too."""
    for target in LogTarget.objects.select_for_update().filter(stopped_reason=""):
        if target.is_authentic:
            target.stopped_reason = REASON
            target.save_with_mac(["stopped_reason"])
            raise_alarms([alarm_of(target)])


def alarm_of(target: LogTarget) -> Alarm:
    """Each stop raises one alarm."""
    return Alarm(
        kind=AlarmKind.LOG_TARGET_STOPPED,
        expected=f"the log that the log target {target.name} has received",
        found="a log without some of its entries",
        identity=f"{target.id} {database_now().isoformat()}",
    )
