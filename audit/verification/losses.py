"""Losses of the log, such as those of a failover, and which of them a person accepted.

A person accepts missing entries by resolving their alarm, and an older database with ``accept_older_database``. Both are
entries of the log with a reason, so write access to the database accepts nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from audit import actions
from audit.log.packed_rows import COLUMNS
from audit.log.raw_rows import Values
from audit.sequencing.alarms import Alarm, AlarmKind, missing_entries
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen

_ACTION, _CODE, _EVENT, _META, _ACTOR, _TIMESTAMP = (
    COLUMNS.index(name) for name in ("action", "code", "event_id", "meta", "actor_name", "timestamp")
)
_NOTED = {actions.LOG_ALARMED, actions.ALARM_RESOLVED, actions.LOG_ROLLBACK_ACCEPTED, actions.STATE_BEGUN}


@dataclass(frozen=True, slots=True)
class Gap:
    """The numbers ``first`` to ``last`` of a writer are missing. ``begin`` and ``end`` are indices of leaves around the gap,
    ``log_id`` is the row after it. None if they are not known.
    """

    writer: str
    first: int
    last: int
    begin: int | None = None
    end: int | None = None
    log_id: int | None = None

    def __str__(self) -> str:
        return missing_entries(self.writer, self.first - 1, self.last)

    def covers(self, writer: str, first: int, last: int) -> bool:
        """Whether all of these numbers are among the missing ones."""
        return self.writer == writer and self.first <= first and last <= self.last

    @property
    def finding(self) -> Finding:
        return Finding(FindingKind.SEQUENCE_GAP, str(self), self.begin, self.end, self.log_id)

    @property
    def alarm(self) -> Alarm:
        return Alarm(
            kind=AlarmKind.SEQUENCE_GAP,
            writer=self.writer,
            expected=self.last,
            found=self.first - 1,
            log_id=self.log_id,
        )


class Losses:
    """``accepted`` has a text for each loss that a person accepted. No alarm names the gaps in ``unnamed``."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.unnamed: list[Gap] = []
        self._named: dict[str, Gap] = {}  # by the event id of the alarm
        self._decisions: dict[str, str] = {}
        self._beginnings = 0  # of the state, without a person

    def note(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """Remember alarms of missing entries, and decisions. There are no findings here."""
        for row in seen:
            if not row.inspection.is_authentic or row.values[_ACTION] not in _NOTED:
                continue
            with suppress(KeyError, TypeError, ValueError):  # entries of earlier versions have other details
                self._note(row.values, json.loads(row.values[_META]))
        yield from ()

    def _note(self, values: Values, meta: Mapping[str, Any]) -> None:
        match values[_ACTION]:
            case actions.LOG_ALARMED if values[_CODE] == AlarmKind.SEQUENCE_GAP:
                self._named[str(values[_EVENT])] = Gap(meta["writer"], meta["found"] + 1, meta["expected"])
            case actions.ALARM_RESOLVED:
                self._decisions[meta["raised_by"]] = _decision(values, meta)
                if meta["kind"] != AlarmKind.SEQUENCE_GAP and "accepted" in meta:
                    self.accepted.append(f"{meta['accepted']}; accepted {_decision(values, meta)}")
            case actions.STATE_BEGUN if not meta["reason"]:
                self._beginnings += 1
            case actions.LOG_ROLLBACK_ACCEPTED:
                self.accepted.append(f"an older database was accepted {_decision(values, meta)}")

    def judge(self, found: Iterable[Finding | Gap]) -> Iterator[Finding]:
        """The findings without those about gaps that a person accepted. Call it after the last entry."""
        for each in found:
            if isinstance(each, Finding):
                yield each
                continue
            numbers = each.writer, each.first, each.last
            if decision := self.decision_about(*numbers):
                self.accepted.append(f"{each}; accepted {decision}")
                continue
            if not any(named.covers(*numbers) for named in self._named.values()):
                self.unnamed.append(each)
            yield each.finding

    def finish(self) -> Iterator[Finding]:
        """The state begins once. An attacker who hides that can let it begin again, with other rows."""
        if self._beginnings > 1:
            yield Finding(FindingKind.STATE, f"the state began {self._beginnings} times without a person")

    def decision_about(self, writer: str, first: int, last: int) -> str:
        """The person, the time and the reason of the acceptance of this loss; "" without one."""
        for event, named in self._named.items():
            if event in self._decisions and named.covers(writer, first, last):
                return self._decisions[event]
        return ""


def _decision(values: Values, meta: Mapping[str, Any]) -> str:
    return f"by {values[_ACTOR]} at {values[_TIMESTAMP]}: {meta['reason']}"
