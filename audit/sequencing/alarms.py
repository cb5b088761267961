"""What the sequencer finds that must not be: said in the server's log, counted, and put on record.

An alarm never stops the log. There is an end to it, too: of one step the first ``RECORDED`` have an entry each and
the others one together, and what is wrong with the entry of an alarm itself has one in a minute.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import django.db
from django.db import transaction

from audit import actions
from audit.canonical import MAX_INTEGER
from audit.events import Actor, Event, Outcome, Source
from audit.services import record
from ciphercanary.errors import DomainError
from ciphercanary.metrics import audit_alarms_total

logger = logging.getLogger(__name__)

RECORDED = 20
AGAIN_SECONDS = 60.0
_of_alarms_due = 0.0
ACTOR = Actor.system("sequencer", Source.SCHEDULER)
MORE = "more_alarms"


class Kind(StrEnum):
    """``code`` of the alarm's entry."""

    SEQUENCE_GAP = "sequence_gap"  # numbers of a writer are missing
    MAC_MISMATCH = "mac_mismatch"  # the row is not as the application wrote it
    ENTRY_MISSING = "entry_missing"  # the row has gone before it was sequenced
    INTEGRITY_FAILED = (
        "integrity_failed"  # the tree or a key was altered, so that nothing more is sequenced or signed
    )
    CHECKPOINT_INCONSISTENT = "checkpoint_inconsistent"  # the tree contradicts what was signed, or itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """``log_id``: the entry where it shows; ``expected``, ``found``: wseq of ``writer``, or words and sizes."""

    kind: Kind
    expected: int | str
    found: int | str
    log_id: int | None = None
    writer: str | None = None
    is_of_alarm: bool = False

    def __str__(self) -> str:
        where = f"entry {self.log_id}" if self.log_id is not None else "the tree"
        by = f" of writer {self.writer}" if self.writer else ""
        return f"{self.kind} at {where}{by}: expected {self.expected}, found {self.found}"

    @property
    def event(self) -> Event:
        return Event(
            action=actions.LOG_ALARMED,
            object_type="" if self.log_id is None else "entry",
            object_id="" if self.log_id is None else str(self.log_id),
            outcome=Outcome.ERROR,
            code=self.kind,
            meta={
                "writer": self.writer,
                "expected": self.expected,
                "found": self.found,
                "log_id": self._log_id,
            },
        )

    @property
    def _log_id(self) -> int | str | None:
        """Somebody may have written a number that no entry can hold."""
        return str(self.log_id) if self.log_id is not None and self.log_id > MAX_INTEGER else self.log_id


def sound(alarms: Sequence[Alarm]) -> None:
    """Tell of them, the record in the caller's transaction or one of its own. Never raises."""
    for alarm in alarms:
        audit_alarms_total.labels(alarm.kind).inc()
    for alarm in alarms[:RECORDED]:
        logger.error("audit log: %s", alarm)
    if len(alarms) > RECORDED:
        logger.error("audit log: %d alarms more", len(alarms) - RECORDED)
    recorded = [alarm for alarm in alarms if not alarm.is_of_alarm or _is_due()]
    events = [alarm.event for alarm in recorded[:RECORDED]]
    if more := recorded[RECORDED:]:
        events.append(Event(action=actions.LOG_ALARMED, outcome=Outcome.ERROR, code=MORE, count=len(more)))
    for event in events:
        _record(event)


def _is_due() -> bool:
    """Whether something wrong with an alarm's entry is put on record: once in a while, or it would never end."""
    global _of_alarms_due  # noqa: PLW0603 - one sequencer per process
    now = time.monotonic()
    if now < _of_alarms_due:
        return False
    _of_alarms_due = now + AGAIN_SECONDS
    return True


def _record(event: Event) -> None:
    try:
        with transaction.atomic():
            record(event, ACTOR)
    except (DomainError, django.db.Error):
        logger.exception("an alarm could not be put on record")
