"""The findings of a verification, and its report."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from audit.sequencing.alarms import Alarm
from kernel.crypto.encoding import encode_base64

_LISTED = 100  # findings that are kept verbatim; the others are counted


class Result(StrEnum):
    """How a verification ended."""

    OK = "ok"
    ALTERED = "altered"
    FAILED = "failed"  # it could not finish


class FindingKind(StrEnum):
    ENTRY_MISSING = "entry_missing"  # a leaf whose row is missing
    ENTRY_ALTERED = "entry_altered"  # a row that does not match its leaf
    MAC_MISMATCH = "mac_mismatch"  # a row that the application did not write like this
    LEAF_MISSING = "leaf_missing"
    LEAF_SURPLUS = "leaf_surplus"  # a duplicate index or entry in the tree; a leaf beyond its end
    NOT_SEQUENCED = "not_sequenced"  # a row that is not in the tree
    BUNDLE = "bundle"  # waiting entries that the application did not write like this, or that were rejected
    SEQUENCE_GAP = "sequence_gap"  # missing or duplicate numbers of a writer
    TILE = "tile"
    TREE = "tree"
    CHECKPOINT = "checkpoint"
    KEY = "checkpoint_key"
    ROW = "protected_row"  # of a user, a key, a session …: its MAC does not match
    STATE = "state"  # a table has other protected rows than the application wrote
    SCHEMA = "schema"  # an object of the database's schema is not that of the migrations
    HIDDEN = "hidden"  # a row that readers do not get
    INDEX = "index"  # an index does not have the rows of its table
    TRAIL = "trail"
    USAGE = "usage"
    ARCHIVE = "archive"  # a segment whose file or row is not what was archived
    OLDER = "older_database"
    RECEIPT = "receipt"
    JOURNAL = "sealed_journal"
    ALARM = "alarm"  # recorded in the log itself


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem between the leaf indices ``first`` and ``last`` (inclusive; equal if the index is known exactly,
    None if the finding is not about a leaf). ``log_id`` is the row where it was found.
    """

    kind: FindingKind
    text: str
    first: int | None = None
    last: int | None = None
    log_id: int | None = None

    @classmethod
    def at(cls, kind: FindingKind, text: str, index: int | None, log_id: int | None = None) -> "Finding":
        return cls(kind, text, index, index, log_id)

    def __str__(self) -> str:
        places = [self._place] if self.first is not None else []
        places += [f"log id {self.log_id}"] if self.log_id is not None else []
        return f"{self.kind}{f' ({", ".join(places)})' if places else ''}: {self.text}"

    @property
    def _place(self) -> str:
        return f"index {self.first}" if self.first == self.last else f"index {self.first} to {self.last}"


@dataclass(slots=True)
class Report:
    """The outcome. ``size`` and ``root`` are of the computed tree, ``last_timestamp`` of its last entry.
    ``signed_size`` is that of the largest valid checkpoint. ``accepted`` are losses that a person accepted, in words.
    ``unchecked`` are parts that could not be checked, in words. ``unnamed`` are alarms for missing entries of which the log has no alarm.
    """

    size: int = 0
    root: bytes = b""
    last_timestamp: object = None
    signed_size: int = 0
    checkpoints: int = 0  # valid ones, including those from outside
    waiting: int = 0  # entries that are not yet sequenced
    changed_rows: int = 0  # of the trail
    archived: int = 0  # entries that only the archive has
    alarms: int = 0  # in the log, including the known ones
    accepted: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    unnamed: list[Alarm] = field(default_factory=list)
    counts: Counter[FindingKind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    first_bad: Finding | None = None
    _hash: Any = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the findings, "" without any. Excludes alarms, because they are already on record."""
        return self._hash.hexdigest() if self.counts.keys() - {FindingKind.ALARM} else ""

    @property
    def is_altered(self) -> bool:
        return bool(self.counts)

    def add(self, finding: Finding) -> None:
        self.counts[finding.kind] += 1
        if finding.kind != FindingKind.ALARM:
            self._hash.update(f"{finding}\n".encode("utf-8", "surrogatepass"))
        if len(self.findings) < _LISTED:
            self.findings.append(finding)
        if _precision(finding) < _precision(self.first_bad):
            self.first_bad = finding

    def as_json(self) -> Mapping[str, object]:
        return {
            "is_altered": self.is_altered,
            "size": self.size,
            "root": encode_base64(self.root),
            "last_timestamp": self.last_timestamp,
            "signed_size": self.signed_size,
            "checkpoints": self.checkpoints,
            "waiting": self.waiting,
            "changed_rows": self.changed_rows,
            "archived": self.archived,
            "alarms": self.alarms,
            "accepted": self.accepted[:_LISTED],
            "unchecked": self.unchecked,
            "counts": dict(self.counts),
            "first_bad": None if self.first_bad is None else _as_json(self.first_bad),
            "findings": [_as_json(finding) for finding in self.findings],
        }


def _precision(finding: Finding | None) -> tuple[float, float]:
    """Sort key: of two ranges with a problem, the one that ends first locates the first problem best."""
    if finding is None or finding.first is None or finding.last is None:
        return float("inf"), 0
    return finding.last, -finding.first


def _as_json(finding: Finding) -> Mapping[str, object]:
    return {
        "kind": finding.kind,
        "first": finding.first,
        "last": finding.last,
        "log_id": finding.log_id,
        "text": finding.text,
    }
