"""Verify a tile of the log: its rows, their leaves, and the hashes above it up to a signed root.

Each tile is verified with all of these in one snapshot. So a pass can stop after any tile, and no one can alter the log
between the checks of its parts.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256

from django.db.models import Exists, OuterRef, Q

from audit.archive.contents import Kept, ranges_of
from audit.log.canonical import MAX_INTEGER
from audit.models import AuditLeaf, AuditLog, AuditSegment
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.eras import Eras
from audit.services import showing
from audit.tlog import merkle, tiles
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.merkle import HASH_SIZE, complete_root
from audit.tlog.tiles import HEIGHT, WIDTH, tile_path
from audit.verification.growing import stored_tile
from audit.verification.integrity import FoundEntry

# SQLite takes any type for a column, and nothing that an attacker writes may end the pass.
UNREADABLE = (TypeError, ValueError, OverflowError)
_LEVELS = 8  # of tiles in any tree
_OTHER_ROOT = Alarm(
    kind=AlarmKind.CHECKPOINT_INCONSISTENT,
    expected="the root that the newest checkpoint signs",
    found="another root of the stored hashes",
)


class Tiles:
    """Verifies tiles against ``head``, a verified checkpoint. Create one in each snapshot, because it caches.

    ``repeated`` are alarms about hashes above several tiles, of which an earlier tile has the first. The archive has the
    rows of some entries and the leaves of some tiles: its files are not read. Raises IntegrityFailed and ``UNREADABLE`` for
    an altered tree.
    """

    def __init__(self, head: Checkpoint) -> None:
        self.repeated: list[Alarm] = []
        self._head = head
        self._eras = Eras.read()
        if not (0 <= self._eras.old_size <= self._eras.size and 0 <= self._eras.id_shift <= MAX_INTEGER):
            raise ValueError("the eras are impossible")
        self._octets = cache(_octets)
        self._read = tiles.reader(self._octets)
        self._holds = cache(self._is_below_its_hash)
        self._kept = cache(_kept)
        self._is_signed = self._has_signed_root()

    def verify(self, number: int) -> Iterator[Alarm]:
        """The alarms about a tile of level 0 and its entries. Raises django.db.Error and the errors of the MAC's key."""
        first, last = number * WIDTH, min((number + 1) * WIDTH, self._head.size)
        for level, alarm in self._contradictions(number, last):
            if number % WIDTH**level:
                self.repeated.append(alarm)
            else:
                yield alarm
        try:
            yield from self._check_rows(first, last)
        except UNREADABLE:
            yield self._alarm(0, number, "rows that cannot be read")

    def find_beyond(self) -> Iterator[Alarm]:
        """The alarms about rows after the end of the tree: the sequencer inserts rows and leaves in one transaction."""
        yield from _alarms_of(Q(id__gt=self._eras.last_id))

    def _contradictions(self, number: int, last: int) -> Iterator[tuple[int, Alarm]]:
        """The alarms about the hashes between the leaves of a tile and the signed root, with their level."""
        is_archived = not self._octets(0, number) and all(map(self._may_lack, range(number * WIDTH, last)))
        for level in range(_LEVELS):
            place = number >> HEIGHT * level
            if place >= self._head.size >> HEIGHT * (level + 1):
                break  # a tile at the right edge, which is part of the root
            if not self._holds(level, place) and not (level == 0 and is_archived):
                yield level, self._alarm(level, place, "hashes that are not below the hash above them")
        if not self._is_signed:
            yield _LEVELS, _OTHER_ROOT

    def _is_below_its_hash(self, level: int, number: int) -> bool:
        """Whether a whole tile has the hash on the next level."""
        octets = self._octets(level, number)
        hashes = [octets[at : at + HASH_SIZE] for at in range(0, len(octets), HASH_SIZE)]
        try:
            return len(hashes) == WIDTH and complete_root(hashes) == self._read(HEIGHT * (level + 1), number)
        except ValueError:
            return False

    def _has_signed_root(self) -> bool:
        try:
            return merkle.root(self._head.size, self._read) == self._head.root
        except ValueError:
            return False

    def _alarm(self, level: int, number: int, found: str) -> Alarm:
        digest = sha256(self._octets(level, number)).hexdigest()
        return Alarm(
            kind=AlarmKind.CHECKPOINT_INCONSISTENT,
            expected=f"{tile_path(level, number)} as in the signed tree",
            found=f"{found}, {digest}",
        )

    def _check_rows(self, first: int, last: int) -> Iterator[Alarm]:
        eras = self._eras
        leaves = AuditLeaf.objects.filter(idx__gte=first, idx__lt=min(last, eras.old_size))
        old = dict(leaves.values_list("log_id", "idx"))
        wanted = Q(id__in=list(old))
        if last > eras.old_size:
            wanted |= Q(id__gt=max(first, eras.old_size) + eras.id_shift, id__lte=last + eras.id_shift)
        there: set[int] = set()
        for entries, alarms in showing.alarms_of_rows(AuditLog.objects.filter(wanted).order_by("id")):  # noqa: CC2 - of the whole log
            yield from alarms
            for entry in entries:
                index = old.get(entry.log_id, entry.log_id - 1 - eras.id_shift)
                there.add(index)
                yield from self._compare_leaf(index, entry)
        yield from self._find_missing(
            set(range(first, last)) - there, {old[log_id]: log_id for log_id in old}
        )
        yield from _alarms_of(self._without_leaf(first, last))

    def _compare_leaf(self, index: int, entry: FoundEntry) -> Iterator[Alarm]:
        """An entry of the first era has its leaf in ``audit_leaves`` and in the tile."""
        number, place = divmod(index, WIDTH)
        leaf = self._octets(0, number)[place * HASH_SIZE : (place + 1) * HASH_SIZE]
        if not entry.faults and entry.leaf != leaf:
            yield self._alarm(0, number, f"another leaf of entry {entry.log_id}")

    def _find_missing(self, indexes: set[int], old_ids: Mapping[int, int]) -> Iterator[Alarm]:
        for first, last in ranges_of({index for index in indexes if not self._may_lack(index)}):
            log_id = old_ids.get(first) if first < self._eras.old_size else self._eras.id_of(first)
            text = f"entry {first + 1}" if first == last else f"entries {first + 1} to {last + 1}"
            yield Alarm(
                kind=AlarmKind.ENTRY_MISSING, log_id=log_id, expected=f"{text} of the tree", found="no row"
            )

    def _without_leaf(self, first: int, last: int) -> Q:
        """Rows without a leaf, with ids of the first era. Its ids have gaps, so each tile gets an equal share of them."""
        old_size, last_id = self._eras.old_size, self._eras.last_old_id
        if first and first >= old_size:
            return Q(pk__in=())
        high = min(last, old_size) * last_id // old_size if old_size else last_id
        share = Q(id__lte=high, id__gt=first * last_id // old_size) if first else Q(id__lte=high)
        return share & ~Q(Exists(AuditLeaf.objects.filter(log_id=OuterRef("id"))))

    def _may_lack(self, index: int) -> bool:
        """Whether the row of this leaf is in the archive only."""
        number, place = divmod(index, AuditSegment.ENTRIES)
        kept = self._kept(number)
        return kept is not None and place not in kept


def _alarms_of(condition: Q) -> Iterator[Alarm]:
    """The alarms about the first rows with this condition. The application writes none."""
    rows = AuditLog.objects.filter(condition).order_by("id")[:WIDTH]  # noqa: CC2 - of the whole log
    for _, alarms in showing.alarms_of_rows(rows):
        yield from alarms


def _octets(level: int, number: int) -> bytes:
    """The stored hashes of a tile, "" if there are none."""
    stored = stored_tile(level, number)
    return bytes(stored) if isinstance(stored, bytes | memoryview) else b""


def _kept(number: int) -> Kept | None:
    """The entries of a segment that the database has, None without an authentic segment."""
    try:
        segment = AuditSegment.objects.filter(number=number).first()
        return Kept(segment) if segment and segment.is_authentic else None
    except UNREADABLE:
        return None
