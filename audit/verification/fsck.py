"""Verify the stored log: recompute everything that can be recomputed, and compare it with what is stored."""

from collections.abc import Iterator, Sequence
from itertools import chain

from audit.errors import OlderDatabase
from audit.log.raw_rows import ReportProgress, reading, rows_of
from audit.sequencing.checkpoints.signing_keys import origin
from audit.sequencing.head import Head, read_head
from audit.sequencing.state_beginning import has_state_begun
from audit.tlog.checkpoint import VerifierKey
from audit.verification.alarms import Alarms
from audit.verification.bundles import Bundles
from audit.verification.completeness import Heartbeats, check_leaves, check_sequences
from audit.verification.database.indexes import can_check_indexes, check_indexes
from audit.verification.database.readers import Readers
from audit.verification.database.schema import check_schema
from audit.verification.database.state import check_state
from audit.verification.findings import Finding, FindingKind, Report
from audit.verification.further_checks import begin_checks
from audit.verification.heads import Heads, OutsideCheckpoint, Trust
from audit.verification.keys import StoredKeys
from audit.verification.leaves import Leaves
from audit.verification.losses import Losses
from audit.verification.protected_rows import check_protected_rows
from audit.verification.segments import Segments
from audit.verification.trail import Trail
from audit.verification.usage import check_usage

_RECEIPTS = """
SELECT r.size, r.anchor FROM audit_receipts r
LEFT JOIN audit_checkpoints c ON c.size = r.size WHERE c.size IS NULL ORDER BY r.id
"""


def verify_log(
    *,
    outside: Sequence[OutsideCheckpoint] = (),
    pinned: Sequence[VerifierKey] = (),
    known_alarms: int = 0,
    with_archive: bool = False,
    progress: ReportProgress = lambda _done, _total: None,
) -> Report:
    """Verify everything while others write. Indexes and the sample of readers come after one snapshot of the rest.

    ``outside`` are checkpoints that the log must agree with. If keys are ``pinned``, only these count, and keys that
    they vouch for. The first ``known_alarms`` of the log are no findings. ``with_archive``: read every archived entry, in
    place of the digests of the files. Raises TransactionManagementError inside a transaction, KekUnavailable and
    UnwrapFailed if MACs cannot be checked, SegmentUnreadable without the archive, django.db.Error, OSError, and what
    ``progress`` raises.
    """
    report = Report()
    remembered = _read_head(report)  # before the snapshot, because it is written after the data it refers to
    with reading():
        verification = _Verification(
            outside, pinned, known_alarms, remembered, Segments(is_deep=with_archive)
        )
        for finding in verification.run(progress):
            report.add(finding)
        verification.conclude(report)
        has_begun = has_state_begun()
    for finding in chain(verification.readers.finish(), check_indexes()):
        report.add(finding)
    if not has_begun:
        report.unchecked.append("rows that were put back, because the sums of the rows have not begun")
    if not can_check_indexes():
        report.unchecked.append(
            "indexes, because the extension amcheck is missing, or its function may not be called"
        )
    return report


class _Verification:
    def __init__(
        self,
        outside: Sequence[OutsideCheckpoint],
        pinned: Sequence[VerifierKey],
        known_alarms: int,
        remembered: Head | None,
        segments: Segments,
    ) -> None:
        self._segments = segments
        name = origin()
        self._keys = StoredKeys(name)
        trust = Trust(name, tuple(pinned or self._keys.keys), is_pinned=bool(pinned))
        self._heads = Heads(trust, self._keys.keys, outside, remembered)
        self._trail = Trail()
        self._alarms = Alarms(known_alarms)
        self.readers = Readers()
        self._losses, self._heartbeats = Losses(), Heartbeats()
        self._further = begin_checks()
        self._checks = (
            self._trail.check,
            self._keys.check,
            self._alarms.check,
            self.readers.check,
            segments.note,
            self._losses.note,
            self._heartbeats.check,
            *(further.check for further in self._further),
        )
        self._leaves = Leaves(self._heads, self._checks, segments)
        self._bundles = Bundles(self._checks, self._losses)

    def run(self, progress: ReportProgress) -> Iterator[Finding]:
        yield from self._leaves.check(progress)
        yield from self._leaves.check_others()
        yield from self._bundles.check()
        yield from self._trail.finish()
        yield from self._keys.finish()
        yield from check_leaves()
        yield from self._segments.finish()
        yield from self._losses.judge(check_sequences(self._segments.has_removed))
        yield from self._losses.judge(self._heartbeats.finish())
        yield from self._losses.finish()
        yield from check_usage(self._segments.archived_until)
        yield from check_protected_rows()
        yield from check_state()
        yield from check_schema()
        for further in self._further:
            yield from further.finish()
        for size, anchor in rows_of(_RECEIPTS):
            text = f"the anchor {anchor} has a checkpoint of {size} entries, which is not stored"
            yield Finding(FindingKind.RECEIPT, text)

    def conclude(self, report: Report) -> None:
        report.size, report.root = self._leaves.tree.size, self._leaves.tree.root()
        report.last_timestamp = self._leaves.last_timestamp
        report.signed_size, report.checkpoints = self._heads.signed_size, self._heads.counted
        report.changed_rows = self._trail.rows
        report.archived = self._leaves.archived
        report.waiting = self._bundles.waiting
        report.alarms = self._alarms.count
        report.accepted, report.unnamed = self._losses.accepted, [gap.alarm for gap in self._losses.unnamed]


def _read_head(report: Report) -> Head | None:
    try:
        return read_head()
    except OlderDatabase as error:
        report.add(Finding(FindingKind.OLDER, error.detail))
        return None
