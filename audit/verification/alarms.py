"""Alarms in the log: alterations that were detected before the tree covered them, and losses that were accepted."""

from collections.abc import Iterator, Mapping, Sequence

from audit import actions
from audit.log.packed_rows import COLUMNS
from audit.log.raw_rows import Spelled
from audit.models import AuditAlarm
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen
from audit.verification.protected_rows import stored_rows

_ACTION, _CODE, _EVENT = COLUMNS.index("action"), COLUMNS.index("code"), COLUMNS.index("event_id")
_ALARMS = (actions.LOG_ALARMED, actions.LOG_ROLLBACK_ACCEPTED)


class Alarms:
    """An alarm may be the only trace of an alteration. Resolved alarms, and the first ``known``, are no findings."""

    def __init__(self, known: int) -> None:
        self.count = 0
        self._known = known
        self._is_open = _read_alarms()

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        for row in seen:
            if row.values[_ACTION] not in _ALARMS:
                continue
            self.count += 1
            if self.count > self._known and (text := self._finding_of(row)):
                yield Finding.at(FindingKind.ALARM, text, row.index, row.log_id)

    def _finding_of(self, row: Seen) -> str:
        if row.values[_ACTION] != actions.LOG_ALARMED:
            return ""  # an operator has accepted an older database, with a reason
        name = f"{row.values[_ACTION]} {row.values[_CODE]}"
        is_open = self._is_open.get(str(row.values[_EVENT]))
        if is_open is None:
            return f"the alarm is missing from audit_alarms: {name}"
        return f"an alarm is open: {name}" if is_open else ""


def _read_alarms() -> Mapping[str, bool]:
    """``{event id: whether the alarm is open}`` of each stored alarm. An alarm with an altered row is open."""
    names = AuditAlarm.objects.order_by().values_list(Spelled("event_id"), flat=True)
    intact = {str(row.event_id): row.resolved_at is None for _, row in stored_rows(AuditAlarm) if row}
    return dict.fromkeys(map(str, names), True) | intact
