"""The pass over every row of the log: rows in the tree by the index of their leaf, then rows without a leaf."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from typing import Protocol

from audit.archive.reading import archived_tile
from audit.errors import SegmentUnreadable
from audit.log.canonical import MAX_INTEGER
from audit.log.packed_rows import COLUMNS, ROW_COLUMNS
from audit.log.raw_rows import CHUNK, ReportProgress, Values, number_of, rows_of, spelled, stream
from audit.models import AuditLog
from audit.sequencing.eras import Eras
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.tiles import WIDTH
from audit.verification.findings import Finding, FindingKind
from audit.verification.growing import GrowingTree, stored_hash_above, stored_tile
from audit.verification.heads import Heads
from audit.verification.inspection import Inspection, faults_of, inspect_row
from kernel.trust.row_mac import IntegrityFailed

_TIMESTAMP = COLUMNS.index("timestamp")
_TILE = object()  # in place of an id: a whole tile of leaves that only the archive has


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry that was inspected. ``index`` is None if it has no leaf. ``log_id`` is the id of its row, None in a bundle."""

    index: int | None
    log_id: int | None
    values: Values
    inspection: Inspection


type RowCheck = Callable[[Sequence[Seen]], Iterator[Finding]]


class Archive(Protocol):
    """What the database may lack, because the archive has it."""

    def may_lack(self, index: int) -> bool:
        """Whether the database may lack the row of this leaf."""

    def may_lack_tile(self, number: int) -> bool:
        """Whether the database may lack this tile of level 0."""


class Leaves:
    """Leaves and their rows, in order. ``checks`` get every row, a chunk at a time.

    ``archive`` says which rows and tiles the database may lack. ``archived`` counts the entries that only it has.
    """

    def __init__(self, heads: Heads, checks: Sequence[RowCheck], archive: Archive) -> None:
        self.tree = GrowingTree(heads, archive.may_lack_tile)
        self.last_timestamp: object = None
        self.archived = 0
        self._heads = heads
        self._checks = checks
        self._archive = archive
        self._eras = read_eras()
        self._expected = 0
        self._is_whole = True  # until an index is missing: later leaves have another place in the tree

    def check(self, progress: ReportProgress) -> Iterator[Finding]:
        yield from self._check_eras()
        for rows in self._rows():
            yield from self._check_chunk(rows)
            progress(self._expected, max(self._expected, self._eras.size))
        if self._is_whole:
            yield from self.tree.finish()
        yield from self._heads.finish(self.tree.size)

    def _check_eras(self) -> Iterator[Finding]:
        for old_size, shift in rows_of("SELECT old_size, id_shift FROM audit_tree WHERE id = 1"):
            if (old_size, shift) != (self._eras.old_size, self._eras.id_shift):
                yield Finding(
                    FindingKind.TREE, f"audit_tree has an impossible first era of {old_size} entries"
                )

    def check_others(self) -> Iterator[Finding]:
        """Rows without a leaf: the application has written no such row."""
        statement = (
            f"SELECT {spelled(AuditLog, ROW_COLUMNS, 'g')} FROM audit_logs g "  # noqa: S608 - constants
            "LEFT JOIN audit_leaves l ON l.log_id = g.id "
            "WHERE l.idx IS NULL AND (g.id <= %s OR g.id > %s) ORDER BY g.id"
        )
        for rows in stream(statement, [self._eras.last_old_id, self._eras.last_id]):
            seen = [Seen(None, row[0], *inspected) for row in rows for inspected in inspect_row(row)]
            for row in seen:
                yield from _check_row(row, None)
            for check in self._checks:
                yield from check(seen)

    def _rows(self) -> Iterator[Sequence[Values]]:
        """(index, id, stored hash, columns, inspection) of every leaf, in order. The last two are None without a row."""
        columns = spelled(AuditLog, ROW_COLUMNS, "g")
        old = rows_of(
            f"SELECT l.idx, l.log_id, l.leaf_hash, {columns} FROM audit_leaves l "  # noqa: S608 - constants
            "LEFT JOIN audit_logs g ON g.id = l.log_id ORDER BY l.idx"
        )
        yield from batched(map(_of_first_era, old), CHUNK)
        found = rows_of(
            f"SELECT {columns} FROM audit_logs g WHERE g.id > %s AND g.id <= %s ORDER BY g.id",  # noqa: S608 - constants
            [self._eras.last_old_id, self._eras.last_id],
        )
        yield from batched(self._placed(found), CHUNK)

    def _placed(self, rows: Iterable[Values]) -> Iterator[Values]:
        leaves, expected = _TileLeaves(), self._eras.old_size
        for row in rows:
            first = row[0] - 1 - self._eras.id_shift
            yield from self._missing(expected, first, leaves)
            for index, inspected in enumerate(inspect_row(row), first):
                yield index, row[0], leaves.at(index), *inspected
                expected = max(expected, index + 1)
        yield from self._missing(expected, self._eras.size, leaves)

    def _missing(self, first: int, last: int, leaves: "_TileLeaves") -> Iterator[Values]:
        """Leaves without a row. Where the tiles have no leaf either, the next index shows what is missing."""
        index = first
        while index < last:
            if index + WIDTH <= last and (above := self._archived_tile(index)):
                yield index, _TILE, above, None, None
                index += WIDTH
                continue
            if (stored := leaves.at(index)) is None:
                if last == self._eras.size:  # there is no next one
                    yield last - 1, self._eras.id_of(last - 1), None, None, None
                return
            yield index, self._eras.id_of(index), stored, None, None
            index += 1

    def _archived_tile(self, index: int) -> bytes | None:
        """The hash above the tile that begins here, if only the archive has it, and no head needs its leaves."""
        number, place = divmod(index, WIDTH)
        if place or self._heads.any_within(index + 1, index + WIDTH - 1):
            return None
        is_archived = self._archive.may_lack_tile(number) and stored_tile(0, number) is None
        return stored_hash_above(number) if is_archived else None

    def _check_chunk(self, rows: Sequence[Values]) -> Iterator[Finding]:
        seen: list[Seen] = []
        grown: list[bytes] = []
        for index, log_id, stored, values, inspection in rows:
            if log_id is _TILE:
                yield from self._add_tile(index, grown, stored)
                grown = []
                continue
            yield from self._check_place(index)
            if inspection is None:
                if stored is not None and self._archive.may_lack(index):
                    self.archived += 1
                else:
                    yield Finding.at(FindingKind.ENTRY_MISSING, "its row is not there", index, log_id)
                leaf = stored
            else:
                row = Seen(index, log_id, values, inspection)
                seen.append(row)
                self._publish(row)  # before the tree grows: a checkpoint may need these keys
                yield from _check_row(row, row.inspection.leaf or b"" if stored is None else stored)
                leaf = row.inspection.leaf if row.inspection.is_authentic else stored
            if self._is_whole and index == self._expected - 1:
                grown.append(leaf if isinstance(leaf, bytes) else b"")
        if seen:
            self.last_timestamp = seen[-1].values[_TIMESTAMP]
        for check in self._checks:
            yield from check(seen)
        yield from self.tree.extend(grown)

    def _add_tile(self, index: int, before: Sequence[bytes], above: bytes) -> Iterator[Finding]:
        """Add the leaves before a tile that only the archive has, and the tile."""
        yield from self.tree.extend(before)
        yield from self._check_place(index)
        if self._is_whole:
            yield from self.tree.add_tile(above)
        self._expected = index + WIDTH
        self.archived += WIDTH

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

    def _publish(self, row: Seen) -> None:
        if row.inspection.published and row.inspection.is_authentic and row.index is not None:
            self._heads.publish(row.index, row.inspection)


class _TileLeaves:
    """The leaf hashes in the tiles, and in the archive. It keeps the last tile."""

    def __init__(self) -> None:
        self._number = -1
        self._hashes = b""

    def at(self, index: int) -> bytes | None:
        """The stored hash; None if the tile is missing or too short."""
        if index // WIDTH != self._number:
            self._number = index // WIDTH
            stored = stored_tile(0, self._number)
            if stored is None:
                with suppress(SegmentUnreadable, IntegrityFailed):  # another finding
                    stored = archived_tile(self._number)
            self._hashes = stored if isinstance(stored, bytes) else b""
        begin = index % WIDTH * HASH_SIZE
        leaf = self._hashes[begin : begin + HASH_SIZE]
        return leaf if len(leaf) == HASH_SIZE else None


def read_eras() -> Eras:
    """The eras as stored. If the row is missing or impossible, those of a log that is all in ``audit_leaves``."""
    for values in rows_of("SELECT size, old_size, id_shift FROM audit_tree WHERE id = 1"):
        if (
            all(type(value) is int and 0 <= value <= MAX_INTEGER for value in values)
            and values[1] <= values[0]
        ):
            return Eras(*values)
    old = number_of("SELECT count(*) FROM audit_leaves")
    return Eras(max(old, number_of("SELECT coalesce(max(id), 0) FROM audit_logs")), old, 0)


def _of_first_era(stored: Values) -> Values:
    index, log_id, leaf, *row = stored
    if row[0] is None:
        return index, log_id, leaf, None, None
    return index, log_id, leaf, *inspect_row(tuple(row))[0]


def _check_row(row: Seen, leaf: object) -> Iterator[Finding]:
    for fault in faults_of(row.inspection, leaf):
        yield Finding.at(fault.kind, fault.text, row.index, row.log_id)
