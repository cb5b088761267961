"""Grow the tree from the leaves, and compare it with the stored tiles and with every signed head."""

from collections.abc import Callable, Iterator, Sequence

from django.db import connection

from audit.log.raw_rows import rows_of
from audit.tlog.merkle import HASH_SIZE, Frontier, complete_root
from audit.tlog.tiles import HEIGHT, WIDTH, tile_path
from audit.verification.findings import Finding, FindingKind
from audit.verification.heads import Heads


class GrowingTree:
    """Takes the leaf hashes in order. It keeps only one unfinished tile of each level."""

    def __init__(self, heads: Heads, may_lack_tile: Callable[[int], bool]) -> None:
        self.size = 0
        self._heads = heads
        self._may_lack_tile = may_lack_tile  # of level 0, because the archive has its leaves
        self._levels: list[list[bytes]] = [[]]
        self._numbers: list[int] = [0]  # of the unfinished tile of each level

    def extend(self, leaves: Sequence[bytes]) -> Iterator[Finding]:
        yield from self._heads.meet(self.size, self.root)
        at = 0
        while at < len(leaves):
            room = min(WIDTH - len(self._levels[0]), self._heads.next_size - self.size)
            part = leaves[at : at + room]
            self._levels[0] += part
            self.size += len(part)
            at += len(part)
            if len(self._levels[0]) == WIDTH:
                yield from self._close(0)
            yield from self._heads.meet(self.size, self.root)

    def add_tile(self, above: bytes) -> Iterator[Finding]:
        """Add a whole tile of leaves by its hash on level 1, after a whole tile. No head ends within it."""
        yield from self._heads.meet(self.size, self.root)
        self.size += WIDTH
        yield from self._grow(0, above)
        yield from self._heads.meet(self.size, self.root)

    def finish(self) -> Iterator[Finding]:
        """After the last leaf: check the partial tiles, and find tiles that should not exist."""
        yield from self._heads.meet(self.size, self.root)
        for level, hashes in enumerate(self._levels):
            if hashes:
                yield from self._compare(level, hashes)
        yield from self._find_surplus()
        yield from self._compare_row()

    def frontier(self) -> Frontier:
        """The right edge, from the unfinished tiles, highest level first."""
        hashes = (hash_ for row in reversed(self._levels) for hash_ in Frontier.EMPTY.extended(row).hashes)
        return Frontier(self.size, tuple(hashes))

    def root(self) -> bytes:
        return self.frontier().root()

    def _close(self, level: int) -> Iterator[Finding]:
        hashes = self._levels[level]
        yield from self._compare(level, hashes)
        self._levels[level] = []
        yield from self._grow(level, complete_root(hashes))

    def _grow(self, level: int, above: bytes) -> Iterator[Finding]:
        """The tile of this level is complete, and has this hash on the next level."""
        self._numbers[level] += 1
        if level + 1 == len(self._levels):
            self._levels.append([])
            self._numbers.append(0)
        self._levels[level + 1].append(above)
        if len(self._levels[level + 1]) == WIDTH:
            yield from self._close(level + 1)

    def _compare(self, level: int, hashes: Sequence[bytes]) -> Iterator[Finding]:
        number = self._numbers[level]
        stored = stored_tile(level, number)
        if stored == b"".join(hashes) or (stored is None and level == 0 and self._may_lack_tile(number)):
            return
        text = f"{tile_path(level, number)} is {'missing' if stored is None else 'not that of the leaves'}"
        position = number * WIDTH + _first_difference(stored, hashes)
        first = position << HEIGHT * level
        yield Finding(FindingKind.TILE, text, first, first + (1 << HEIGHT * level) - 1)

    def _find_surplus(self) -> Iterator[Finding]:
        counts = [-(-(self.size >> HEIGHT * level) // WIDTH) for level in range(len(self._levels))]
        found = rows_of(
            "SELECT level, number, count(*) FROM audit_tiles GROUP BY level, number ORDER BY level, number"
        )
        for level, number, rows in found:
            if level not in range(len(counts)) or number not in range(counts[level]):
                yield Finding(
                    FindingKind.TILE, f"a tile {level}/{number} is none of a tree of {self.size} leaves"
                )
            elif rows > 1:
                first = number * WIDTH << HEIGHT * level
                last = first + (WIDTH << HEIGHT * level) - 1
                yield Finding(
                    FindingKind.TILE, f"{tile_path(level, number)} is there {rows} times", first, last
                )

    def _compare_row(self) -> Iterator[Finding]:
        rows = list(rows_of("SELECT id, size, edge, root FROM audit_tree"))
        if [row[0] for row in rows] != [1]:
            yield Finding(FindingKind.TREE, f"audit_tree has {len(rows)} rows instead of the one with id 1")
            return
        [(_, size, edge, root)] = rows
        frontier = self.frontier()
        if size != self.size:
            text = f"audit_tree counts {size} leaves, and there are {self.size}"
            first = min(size, self.size) if isinstance(size, int) else None
            yield Finding.at(FindingKind.TREE, text, first)
        elif root != frontier.root():
            yield Finding(FindingKind.TREE, "the root in audit_tree is not that of the leaves")
        elif edge != frontier.encode():
            yield Finding(FindingKind.TREE, "the right edge in audit_tree is not that of the leaves")


def stored_hash_above(number: int) -> bytes | None:
    """The hash on level 1 of a tile of level 0; None if it is missing."""
    stored, begin = stored_tile(1, number // WIDTH), number % WIDTH * HASH_SIZE
    above = stored[begin : begin + HASH_SIZE] if isinstance(stored, bytes) else b""
    return above if len(above) == HASH_SIZE else None


def stored_tile(level: int, number: int) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT hashes FROM audit_tiles WHERE level = %s AND number = %s", [level, number])
        row = cursor.fetchone()
    return row[0] if row else None


def _first_difference(stored: object, hashes: Sequence[bytes]) -> int:
    """The index of the first stored hash that differs, or the number of hashes if the stored tile is longer."""
    octets = stored if isinstance(stored, bytes) else b""
    for position, hash_ in enumerate(hashes):
        if octets[position * HASH_SIZE :][:HASH_SIZE] != hash_:
            return position
    return len(hashes)
