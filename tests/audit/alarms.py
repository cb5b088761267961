"""An alarm of the sequencer, and the entries that record alarms."""

from audit import actions
from audit.sequencing.alarms import Alarm, AlarmKind
from tests.log_entries import log_rows


def alarm_at(log_id=7, found="00" * 32):
    return Alarm(kind=AlarmKind.ENTRY_ALTERED, expected="11" * 32, found=found, log_id=log_id)


def alarm_entries():
    return log_rows().filter(action=actions.LOG_ALARMED).order_by("id")
