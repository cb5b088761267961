"""Check the segments of the archive, and find out which entries the database may lack."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from audit import actions
from audit.archive.contents import Kept, removed_numbers
from audit.archive.reading import read_file, read_segment
from audit.archive.segments import Segment
from audit.errors import SegmentUnreadable
from audit.log.canonical import MAX_INTEGER
from audit.log.packed_rows import COLUMNS
from audit.log.raw_rows import number_of
from audit.models import AuditSegment
from audit.sequencing.tree import database_reader
from audit.tlog.merkle import HashReader
from audit.tlog.tiles import WIDTH
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen
from audit.verification.protected_rows import stored_rows
from kernel.errors import DomainError
from kernel.trust.row_mac import IntegrityFailed

_ACTION, _OBJECT, _META = (COLUMNS.index(name) for name in ("action", "object_id", "meta"))
_WRITER, _WSEQ = COLUMNS.index("writer"), COLUMNS.index("wseq")

type _Ranges = dict[str, list[tuple[int, int]]]


class Segments:
    """The segments with an authentic row. ``is_deep``: read each file, in place of its digest."""

    def __init__(self, *, is_deep: bool) -> None:
        self._is_deep = is_deep
        self._of = {row.number: row for _, row in stored_rows(AuditSegment) if row}
        self._recorded: dict[str, str] = {}
        self._current = -1
        self._kept: Kept | None = None
        self._removed = _removed(self._of.values())  # numbers whose rows may be missing
        # Numbers whose rows must be missing.
        self._gone = _removed(segment for segment in self._of.values() if segment.removed_at)

    @property
    def archived_until(self) -> datetime | None:
        """The time of the newest archived entry."""
        return max((segment.last_at for segment in self._of.values()), default=None)

    def may_lack(self, index: int) -> bool:
        """Whether the row of this leaf is in the archive only."""
        number, place = divmod(index, AuditSegment.ENTRIES)
        if number != self._current:
            segment = self._of.get(number)
            self._current, self._kept = number, Kept(segment) if segment else None
        return self._kept is not None and place not in self._kept

    def may_lack_tile(self, number: int) -> bool:
        """Whether the archive has all leaves of a tile of level 0."""
        return all(self.may_lack(index) for index in range(number * WIDTH, (number + 1) * WIDTH))

    def has_removed(self, writer: str, first: int, last: int) -> bool:
        """Whether all numbers of the writer from first to last were removed."""
        return _has(self._removed, writer, first, last)

    def note(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        """Remember the entries that record segments, and find removed entries that are there again."""
        for row in seen:
            writer, wseq = row.values[_WRITER], row.values[_WSEQ]
            if isinstance(writer, str) and isinstance(wseq, int) and _has(self._gone, writer, wseq, wseq):
                text = f"the entry {wseq} of writer {writer} was removed, and is there again"
                yield Finding.at(FindingKind.ARCHIVE, text, row.index, row.log_id)
            if row.values[_ACTION] == actions.SEGMENT_ARCHIVED and row.inspection.is_authentic:
                digest = json.loads(row.values[_META]).get("sha256")
                self._recorded[str(row.values[_OBJECT])] = str(digest)

    def finish(self) -> Iterator[Finding]:
        """Compare the segments with the entries that record them, and with their files.

        Raises SegmentUnreadable if the archive is out of reach. A missing file, or something else in its place, is a finding.
        """
        digests = {str(number): segment.sha256 for number, segment in self._of.items()}
        for number in sorted(digests.keys() | self._recorded.keys(), key=int):
            if digests.get(number) != self._recorded.get(number):
                yield Finding(FindingKind.ARCHIVE, f"segment {number} is not what the log records")
        if number_of("SELECT count(*) FROM audit_removals"):
            yield Finding(
                FindingKind.ARCHIVE, "audit_removals has a row, which permits the removal of entries"
            )
        read = database_reader()
        for segment in self._of.values():
            if problem := self._problem_of(segment, read):
                first = segment.number * AuditSegment.ENTRIES
                yield Finding(FindingKind.ARCHIVE, problem, first, first + AuditSegment.ENTRIES - 1)

    def _problem_of(self, segment: AuditSegment, read: HashReader) -> str:
        try:
            if self._is_deep:
                return _problem_of_content(read_segment(segment), segment.number, read)
            read_file(segment)
        except IntegrityFailed as error:
            return error.detail
        except SegmentUnreadable as error:
            if isinstance(error.__cause__, DomainError | PermissionError):
                raise  # a disk or a bucket that is out of reach is no alteration
            return error.detail
        except ValueError as error:
            return f"segment {segment.number}: {error}"
        return ""


def _problem_of_content(content: Segment, number: int, read: HashReader) -> str:
    if content.root != read(AuditSegment.ENTRIES.bit_length() - 1, number):
        return f"the entries of segment {number} are not those of the tree"
    if not content.has_named_rows:
        return f"the changed rows of segment {number} are not those that its entries name"
    return ""


def _removed(segments: Iterable[AuditSegment]) -> _Ranges:
    removed: _Ranges = {}
    for segment in segments:
        for writer, ranges in removed_numbers(segment).items():
            removed.setdefault(writer, []).extend(ranges)
    return {writer: _joined(ranges) for writer, ranges in removed.items()}


def _has(removed: _Ranges, writer: str, first: int, last: int) -> bool:
    ranges = removed.get(writer, [])
    at = bisect_right(ranges, (first, MAX_INTEGER)) - 1
    return at >= 0 and last <= ranges[at][1]


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges in order. Consecutive ones are one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
