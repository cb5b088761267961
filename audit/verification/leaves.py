"""The pass over every row of the log: rows in the tree by the index of their leaf, then rows without a leaf."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audit.log.raw_rows import Values, number_of, spelled, stream
from audit.models import AuditLog
from audit.progress import ReportProgress
from audit.verification.findings import Finding, FindingKind
from audit.verification.growing import GrowingTree
from audit.verification.heads import Heads
from audit.verification.inspection import COLUMNS, Inspection, inspect
from audit.verification.judging import faults_of

_TIMESTAMP = COLUMNS.index("timestamp")


@dataclass(frozen=True, slots=True)
class Seen:
    """A row that was inspected. ``index`` is None if it has no leaf."""

    index: int | None
    log_id: int
    values: Values
    inspection: Inspection


type RowCheck = Callable[[Sequence[Seen]], Iterator[Finding]]


class Leaves:
    """Leaves and their rows, in order. ``checks`` get every row, a chunk at a time."""

    def __init__(self, heads: Heads, checks: Sequence[RowCheck]) -> None:
        self.tree = GrowingTree(heads)
        self.last_timestamp: object = None
        self._heads = heads
        self._checks = checks
        self._expected = 0
        self._is_whole = True  # until an index is missing: later leaves have another place in the tree

    def check(self, progress: ReportProgress) -> Iterator[Finding]:
        total = number_of("SELECT count(*) FROM audit_leaves")
        done = 0
        statement = (
            f"SELECT l.idx, l.log_id, l.leaf_hash, {spelled(AuditLog, COLUMNS, 'g')} "  # noqa: S608 - constants
            "FROM audit_leaves l LEFT JOIN audit_logs g ON g.id = l.log_id ORDER BY l.idx"
        )
        for rows in stream(statement):
            yield from self._check_chunk(rows)
            done += len(rows)
            progress(done, total)
        if self._is_whole:
            yield from self.tree.finish()
        yield from self._heads.finish(self.tree.size)

    def _check_chunk(self, rows: Sequence[Values]) -> Iterator[Finding]:
        seen: list[Seen] = []
        grown: list[bytes] = []
        for index, log_id, stored, *values in rows:
            yield from self._check_place(index)
            if values[0] is None:
                yield Finding.at(FindingKind.ENTRY_MISSING, "its row is not there", index, log_id)
                leaf = stored
            else:
                row = Seen(index, log_id, tuple(values), inspect(tuple(values)))
                seen.append(row)
                yield from _check_row(row, stored)
                leaf = row.inspection.leaf if row.inspection.is_authentic else stored
            if self._is_whole and index == self._expected - 1:
                grown.append(leaf if isinstance(leaf, bytes) else b"")
        if seen:
            self.last_timestamp = seen[-1].values[_TIMESTAMP]
            self._publish(seen)
        for check in self._checks:
            yield from check(seen)
        yield from self.tree.extend(grown)

    def _check_place(self, index: object) -> Iterator[Finding]:
        if index == self._expected:
            self._expected += 1
        elif isinstance(index, int) and index > self._expected:
            text = f"the leaves {self._expected} to {index - 1} are not there"
            yield Finding.at(FindingKind.LEAF_MISSING, text, self._expected)
            self._expected = index + 1
            self._is_whole = False
        else:
            place = index if isinstance(index, int) else None
            yield Finding.at(
                FindingKind.LEAF_SURPLUS, f"there is another leaf with the index {index!r}", place
            )

    def _publish(self, seen: Sequence[Seen]) -> None:
        for row in seen:
            if row.inspection.published and row.inspection.is_authentic and row.index is not None:
                self._heads.publish(row.index, row.inspection)


def check_waiting(checks: Sequence[RowCheck]) -> Iterator[Finding]:
    """Rows without a leaf: each must be waiting for one, and be as the application wrote it."""
    statement = (
        f"SELECT p.log_id, {spelled(AuditLog, COLUMNS, 'g')} FROM audit_logs g "  # noqa: S608 - constants
        "LEFT JOIN audit_leaves l ON l.log_id = g.id LEFT JOIN audit_pending p ON p.log_id = g.id "
        "WHERE l.idx IS NULL ORDER BY g.id"
    )
    for rows in stream(statement):
        seen = [Seen(None, values[0], tuple(values), inspect(tuple(values))) for _, *values in rows]
        for row, (waiting, *_) in zip(seen, rows, strict=True):
            yield from _check_row(row, None, is_pending=waiting is not None)
        for check in checks:
            yield from check(seen)


def _check_row(row: Seen, leaf: object, *, is_pending: bool = False) -> Iterator[Finding]:
    for fault in faults_of(row.inspection, leaf, is_pending=is_pending):
        yield Finding.at(fault.kind, fault.text, row.index, row.log_id)
