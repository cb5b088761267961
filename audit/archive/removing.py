"""Remove the rows of archived operations, in steps.

Only successful operations (``crypto.…``) that name no changed rows leave the database. Every other entry stays. So does the newest row of each writer,
because its later numbers continue it, and that of each actor, which has the name for the id.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import batched
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from audit.archive.contents import Kept, ranges_of
from audit.archive.reading import read_file
from audit.log.entries import ACTOR_ID, ENTRY_FIELDS
from audit.log.operations import PREFIX, has_only_succeeded
from audit.log.raw_rows import Values, as_stored, rows_of, spelled
from audit.models import AuditCheckpoint, AuditLog, AuditRemoval, AuditSegment, AuditTile
from audit.models.hashed import hash_of
from audit.tlog.tiles import WIDTH
from kernel.clock import database_now

# Rows in one transaction. Fewer on SQLite, because nothing else can write meanwhile.
_STEP: Final = 8_192
_STEP_ON_SQLITE: Final = 1_024
_LOOKED_UP_AT_ONCE: Final = 500
_ACTION, _OUTCOME, _META = (ENTRY_FIELDS.index(name) for name in ("action", "outcome", "meta"))
_WRITER, _WSEQ = ENTRY_FIELDS.index("writer"), ENTRY_FIELDS.index("wseq")
# The newest row of each value of a column is that with the largest number of another column.
_NEWEST: Final = {"writer": "wseq", "user_id": "id", ACTOR_ID: "id"}
# A row that was altered to something else stays, and ``verify_audit_log`` reports it.
_DELETE: Final = (
    "DELETE FROM audit_logs WHERE id >= %s AND id <= %s AND outcome = 'ok' "  # noqa: S608 - constants
    f"AND substr(action, 1, {len(PREFIX)}) = '{PREFIX}'"
)


def places_to_keep(rows: Sequence[Values]) -> set[int]:
    """The places of the entries (columns ``ENTRY_FIELDS``, spelled) of a segment that stay in the database."""
    newest = {
        (name, value): last
        for name, of in _NEWEST.items()
        for value, last in _newest(name, of, {row[ENTRY_FIELDS.index(name)] for row in rows} - {None})
    }
    return {
        place
        for place, row in enumerate(rows)
        if not _is_removable(row) or any(_is_newest(row, name, of, newest) for name, of in _NEWEST.items())
    }


def numbers_without(rows: Sequence[Values], kept: Collection[int]) -> Iterator[tuple[str, int]]:
    """The numbers (writer, wseq) of the rows that do not stay."""
    return ((row[_WRITER], row[_WSEQ]) for place, row in enumerate(rows) if place not in kept)


def finish_removals(is_stopping: Callable[[], bool]) -> None:
    """Remove the rows of every segment that has rows left. Raises IntegrityFailed for an altered segment.

    Raises SegmentUnreadable if a file was lost, or is elsewhere because a backup was restored.
    """
    for segment in AuditSegment.objects.filter(removed_at=None).order_by("number"):
        if is_stopping():
            return
        read_file(segment.check_mac())
        remove_rows(segment, is_stopping)


def remove_rows(segment: AuditSegment, is_stopping: Callable[[], bool]) -> None:
    """Remove the rows that do not stay. Stops between two steps if it has to. Raises django.db.Error."""
    kept = Kept(segment)
    gone = [place for place in range(AuditSegment.ENTRIES) if place not in kept]
    for places in batched(gone, _STEP_ON_SQLITE if settings.CC_SQLITE else _STEP):
        if is_stopping():
            return
        ranges = [(segment.first_id + first, segment.first_id + last) for first, last in ranges_of(places)]
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            permission = AuditRemoval.objects.create(segment=segment.number)  # noqa: CC3 - never committed
            cursor.executemany(_DELETE, ranges)
            permission.delete()
    with transaction.atomic(durable=True):
        AuditTile.objects.filter(level=0, number__in=_needless_tiles(segment, kept)).delete()  # noqa: CC3 - the file has them
        segment.removed_at = database_now()
        segment.save_with_mac(["removed_at"])


def _needless_tiles(segment: AuditSegment, kept: Kept) -> list[int]:
    """The tiles of level 0 without an entry that stays, and in which no checkpoint ends."""
    first = segment.number * AuditSegment.ENTRIES
    end = first + AuditSegment.ENTRIES
    sizes = AuditCheckpoint.objects.filter(size__gt=first, size__lt=end).values_list("size", flat=True)
    needed = {size // WIDTH for size in sizes if size % WIDTH}
    return [
        number
        for number in range(-(-first // WIDTH), end // WIDTH)
        if number not in needed
        and not any(place in kept for place in range(number * WIDTH - first, (number + 1) * WIDTH - first))
    ]


def _is_removable(row: Values) -> bool:
    return has_only_succeeded(row[_ACTION], row[_OUTCOME], row[_META])


def _newest(name: str, of: str, values: Collection[str]) -> Iterator[Values]:
    """Each value of the column ``name``, with the largest ``of`` of its rows."""
    field = AuditLog._meta.get_field(name)
    for some in batched(values, _LOOKED_UP_AT_ONCE):
        places = ", ".join(["%s"] * len(some))
        hashes = ", ".join([hash_of(field, "%s")] * len(some))
        yield from rows_of(
            f"SELECT {spelled(AuditLog, [name], 'g')}, max(g.{of}) FROM audit_logs g "  # noqa: S608 - constants
            f"WHERE {hash_of(field, f'g.{name}')} IN ({hashes}) AND g.{name} IN ({places}) GROUP BY g.{name}",
            [as_stored(value) for value in some] * 2,
        )


def _is_newest(row: Values, name: str, of: str, newest: Mapping[tuple[str, object], int]) -> bool:
    value = row[ENTRY_FIELDS.index(name)]
    return value is not None and bool(row[ENTRY_FIELDS.index(of)] >= newest.get((name, value), 0))
