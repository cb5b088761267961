"""Audit alarms: signs that the log, its tree or its keys were altered.

``audit.services.alarms`` raises alarms, lists them and resolves them.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit import actions
from audit.log.canonical import MAX_INTEGER
from audit.log.events import VALUE_LIMIT, Event, Outcome, clean_text
from kernel.outbox.topics import Severity, Topic
from kernel.trust.row_mac import encode_fields

MOST_OPEN = 1000  # maximum number of open alarms that are stored individually, and that are counted
_DIGEST = re.compile(r"\b[0-9a-f]{32,}\b")


class AlarmKind(StrEnum):
    """``code`` of the alarm's entry."""

    SEQUENCE_GAP = "sequence_gap"  # numbers of a writer are missing
    MAC_MISMATCH = "mac_mismatch"  # the row is not as the application wrote it
    BUNDLE_REJECTED = "bundle_rejected"  # a waiting bundle is not as the application wrote it
    ENTRY_MISSING = "entry_missing"  # the row was deleted
    ENTRY_ALTERED = "entry_altered"  # a row that was about to be shown does not match its leaf or MAC
    INTEGRITY_FAILED = (
        "integrity_failed"  # the tree or a key was altered, so sequencing or signing has stopped
    )
    CHECKPOINT_INCONSISTENT = "checkpoint_inconsistent"  # the tree contradicts a signed checkpoint, or itself
    WITNESS_CONTRADICTS = "witness_contradicts"  # a witness has cosigned another log under our name
    SCHEMA_ALTERED = (
        "schema_altered"  # a table, index, trigger, policy or other object is not that of the migrations
    )
    STATE_ALTERED = "state_altered"  # a table has other protected rows than the application wrote
    HEADS_ALTERED = "heads_altered"  # heads of rows or security epochs are others than those of the rows
    STATE_UNKNOWN = "state_unknown"  # the sums of the protected rows were altered or removed
    VERIFICATION_FAILED = "verification_failed"  # a verification has findings, or its position was altered
    LOG_TARGET_STOPPED = "log_target_stopped"  # the log is not the one that a log target has got
    JOURNAL_ALTERED = "journal_altered"  # a page, a sealed document or the position was altered or removed
    MORE = "more_alarms"  # further alarms, summarized


# A resolution accepts what the alarm names.
ACCEPTING = frozenset({AlarmKind.SEQUENCE_GAP, AlarmKind.STATE_ALTERED, AlarmKind.STATE_UNKNOWN})
LABELS: Mapping[str, str] = {
    AlarmKind.SEQUENCE_GAP: "Missing entries",
    AlarmKind.MAC_MISMATCH: "Entry not written by the application",
    AlarmKind.BUNDLE_REJECTED: "Waiting entries altered",
    AlarmKind.ENTRY_MISSING: "Entry deleted",
    AlarmKind.ENTRY_ALTERED: "Entry altered",
    AlarmKind.INTEGRITY_FAILED: "Tree or checkpoint key altered",
    AlarmKind.CHECKPOINT_INCONSISTENT: "Tree contradicts a checkpoint",
    AlarmKind.WITNESS_CONTRADICTS: "Witness has cosigned another log",
    AlarmKind.SCHEMA_ALTERED: "Database schema altered",
    AlarmKind.STATE_ALTERED: "Protected rows altered",
    AlarmKind.HEADS_ALTERED: "Row digests or security epochs altered",
    AlarmKind.STATE_UNKNOWN: "Checksums of protected rows altered",
    AlarmKind.VERIFICATION_FAILED: "Verification failed",
    AlarmKind.LOG_TARGET_STOPPED: "Log target stopped",
    AlarmKind.JOURNAL_ALTERED: "Sealed journal altered",
    AlarmKind.MORE: "Further alarms",
}
TOPIC = Topic(
    word="audit.alarm", label="Audit alarm", severity=Severity.CRITICAL, text="Audit alarm: {label}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Evidence of tampering. ``log_id`` is the entry where it was found.

    ``expected`` and ``found`` are sequence numbers of ``writer``, or text with digests and sizes. ``count`` is the
    number of alarms that a ``MORE`` summarizes. ``is_of_alarm`` marks an alarm about the log entry of another alarm.
    Neither is part of the identity, nor is the ``log_id`` of missing entries: two alarms with otherwise equal values are
    the same alarm. ``identity`` replaces
    ``found`` in the identity, if ``found`` can change while the evidence stays the same.
    """

    kind: AlarmKind
    expected: int | str
    found: int | str
    log_id: int | None = None
    writer: str | None = None
    count: int = 1
    is_of_alarm: bool = False
    identity: str = ""

    def __str__(self) -> str:
        """Replaces digests with an ellipsis. The alarm's entry has them."""
        where = f" at entry {self.log_id}" if self.log_id is not None else ""
        by = f" of writer {self.writer}" if self.writer else ""
        return _DIGEST.sub("…", f"{self.kind}{where}{by}: expected {self.expected}, found {self.found}")

    @property
    def evidence(self) -> str:
        """SHA-256 (hex) of the alarm's values: its identity."""
        found = self.identity or self.found
        texts = (clean_text(str(value), VALUE_LIMIT) for value in (self.expected, found))
        # The same numbers can be missing at a heartbeat and at the next entry of their writer.
        log_id = None if self.kind == AlarmKind.SEQUENCE_GAP else self.log_id
        return hashlib.sha256(encode_fields((self.kind, log_id, self.writer, *texts))).hexdigest()

    @property
    def event(self) -> Event:
        return Event(
            action=actions.LOG_ALARMED,
            object_type="" if self.log_id is None else "entry",
            object_id="" if self.log_id is None else str(self.log_id),
            outcome=Outcome.ERROR,
            code=self.kind,
            count=self.count,
            meta={
                "writer": self.writer,
                "expected": self.expected,
                "found": self.found,
                "log_id": self._log_id,
                "evidence": self.evidence,
            },
        )

    @property
    def _log_id(self) -> int | str | None:
        """Text if it exceeds the largest integer of an entry."""
        return str(self.log_id) if self.log_id is not None and self.log_id > MAX_INTEGER else self.log_id


def missing_entries(writer: object, found: int, expected: int) -> str:
    """The numbers of a writer after ``found``, up to ``expected``, in words."""
    numbers = f"entry {expected}" if expected == found + 1 else f"entries {found + 1} to {expected}"
    return f"{numbers} of writer {writer} {'is' if expected == found + 1 else 'are'} missing"


def summary_of(alarms: list[Alarm]) -> Alarm:
    """One alarm that summarizes many."""
    digest = hashlib.sha256("".join(sorted(alarm.evidence for alarm in alarms)).encode()).hexdigest()
    return Alarm(
        kind=AlarmKind.MORE, expected="no further alarms", found=f"alarms {digest[:32]}", count=len(alarms)
    )
