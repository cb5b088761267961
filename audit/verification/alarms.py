"""What the log itself tells of: alterations that were seen before the tree covered them, and losses that were accepted."""

from collections.abc import Iterator, Sequence

from audit import actions
from audit.verification.findings import Finding, Kind
from audit.verification.inspection import COLUMNS
from audit.verification.leaves import Seen

_ACTION, _CODE = COLUMNS.index("action"), COLUMNS.index("code")
ALARMS = (actions.LOG_ALARMED, actions.LOG_ROLLBACK_ACCEPTED)


class Alarms:
    """Of such an alteration the alarm may be the only trace. The first ``known`` have been looked into by somebody."""

    def __init__(self, known: int) -> None:
        self.count = 0
        self._known = known

    def look(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        for row in seen:
            if row.values[_ACTION] not in ALARMS:
                continue
            self.count += 1
            if self.count > self._known:
                text = f"the log tells of an alarm: {row.values[_ACTION]} {row.values[_CODE]}".rstrip()
                yield Finding.at(Kind.ALARM, text, row.index, row.log_id)
