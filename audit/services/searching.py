"""Read a page of the log. A search reads entries that no index finds, so it has additional limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, islice

from django.db.models import Q, QuerySet

from audit.browse.search_limits import search_limits
from audit.browse.selection import (
    EXACT_COUNT,
    SEARCH_DEPTH,
    KeysetPage,
    LogCriteria,
    Position,
    any_of,
    columns_of,
    first_of,
    first_to_count,
    is_between,
    is_not_older,
    is_older,
    newest_first,
    position_of,
    time_column,
)
from audit.log.raw_rows import Spelled, any_text, timestamp_of
from audit.log.row_numbers import number_of_entries
from audit.models import AuditLog, Reader
from audit.models.logs import AuditLogQuerySet
from audit.services.reading import Selection, select_logs
from audit.services.showing import show_newest
from audit.verification.integrity import FoundEntry, columns_in
from kernel import throttle

SEARCH_COST = 15  # requests of the rate limit: the work of the database, relative to an ordinary read


@dataclass(frozen=True, slots=True)
class FoundLogs:
    """Matching entries, to be paged from ``before`` on, sorted by the column ``time`` if it is set: the ``entries`` that
    match one of the selection's alternatives. A page can begin and end within a packed row.

    If ``is_part``, they are those that one search reads, none newer than ``before``. Then ``stopped_at`` is the id of the
    last row, and the ``before`` with which to continue; None if nothing is left to read.
    """

    selection: Selection
    entries: AuditLogQuerySet
    time: str
    before: int | None
    is_part: bool = False
    stopped_at: int | None = None

    @property
    def rows(self) -> AuditLogQuerySet:
        """The rows with matching entries, for a reader that needs no order, or all of them."""
        return self.entries.filter(any_of(self.selection.alternatives))

    def read(self, limit: int, rows: AuditLogQuerySet | None = None) -> tuple[list[AuditLog], int | None]:
        """The ``limit`` newest entries before ``before``, and the ``before`` of the next page.

        ``rows``: only those of these rows.
        """
        entries = self.entries if rows is None else rows
        position = None if self.is_part else _position(entries, self.before, self.time)
        older = entries.filter(is_older(position, self.time))
        return self.show(
            first_of(newest_first(older, self.time), limit + 1, self.selection.alternatives), limit
        )

    def show(self, rows: QuerySet[AuditLog], limit: int) -> tuple[list[AuditLog], int | None]:
        """Like ``read``, for the first ``limit + 1`` rows, newest first."""
        return show_newest(rows, limit, self._is_on_page)

    def page(self, limit: int) -> KeysetPage[AuditLog]:
        """Like ``read``, with the number of entries and the page before."""
        entries, next_before = self.read(limit)
        is_only_page = next_before is None and (self.before is None or self.is_part)
        count = len(entries) if is_only_page else self._count()
        return KeysetPage.of(entries, limit, count, next_before, self._newer(limit))

    def _is_on_page(self, entry: FoundEntry) -> bool:
        if self._is_newer(entry.row.id, entry.log_id):
            return False
        return not entry.row.is_packed or self.selection.has_match(entry.columns)

    def _is_newer(self, row_id: int, log_id: int) -> bool:
        """Whether an entry of a packed row, in which the page begins, belongs to a newer page."""
        return self.before is not None and row_id < self.before <= log_id

    def _newer(self, limit: int) -> list[int]:
        """The ids from ``before`` on, of ``limit`` entries and the next one. Some may not match. A part has none."""
        if self.before is None or self.is_part:
            return []
        first = position_of(self.entries.with_entry(self.before), self.before, self.time)
        newer = self.entries.filter(is_not_older(first, self.time)).order_by(*columns_of(self.time))
        with any_text():
            rows = list(first_of(newer, limit + 1, self.selection.alternatives).values_list("id", "entries"))
        ids = (row_id + place for row_id, entries in rows for place in range(number_of_entries(entries)))
        # Only the first row can have older ones.
        return list(islice(dropwhile(self.before.__gt__, ids), limit + 1))

    def _count(self) -> int:
        rows = first_to_count(self.rows, self.time)
        if self.selection.matches is None and not self.is_part:
            return rows.count_entries()
        if rows.count() > EXACT_COUNT:  # each has an entry that matches, except by coincidence
            return EXACT_COUNT + 1
        matching = (
            columns
            for row_id, columns in columns_in(rows)
            if not (self.is_part and self._is_newer(row_id, columns["id"]))
            and self.selection.has_match(columns)
        )
        return sum(1 for _ in islice(matching, EXACT_COUNT + 1))


@contextmanager
def search_logs(*, reader: Reader, criteria: LogCriteria, before: int | None = None) -> Iterator[FoundLogs]:
    """The entries older than the entry ``before``, to be read inside the block.

    A search costs ``SEARCH_COST`` requests, and runs alone for its reader. It reads all entries of an object or actor,
    and otherwise at most ``SEARCH_DEPTH`` ids. Raises Denied, Throttled, SearchTimeout.
    """
    selected, time = select_logs(reader=reader, criteria=criteria), time_column(criteria, "timestamp")
    found = FoundLogs(selected, selected.entries, time, before)
    if not selected.is_search:
        yield found
        return
    with search_limits(reader.identity):
        throttle.charge_principal(reader.identity.budget, SEARCH_COST - 1)  # the interface has charged one
        if not selected.is_narrow:
            part, stopped_at = _part(AuditLog.objects.visible_to(reader), criteria, before)
            found = FoundLogs(
                selected,
                selected.entries.filter(part),
                time,
                before,
                is_part=True,
                stopped_at=stopped_at,
            )
        yield found


def _part(entries: AuditLogQuerySet, criteria: LogCriteria, before: int | None) -> tuple[Q, int | None]:
    """The condition for the entries that one search reads, newest first, and the ``stopped_at`` of ``FoundLogs``."""
    time = time_column(criteria, "timestamp")
    older = is_older(_position(entries, before, time), time)
    fitting = entries.filter(older, is_between("timestamp", None, criteria.until))
    newest = _first(newest_first(fitting, time))
    if newest is None or newest[0] <= SEARCH_DEPTH:
        return older, None
    last = _first(entries.filter(id__gt=newest[0] - SEARCH_DEPTH).order_by("id")) or newest
    # Entries do not commit in the order of their timestamps, so the lowest id need not have the earliest time.
    timestamps = [timestamp for _, timestamp in (last, newest) if timestamp]
    if not time or not timestamps:
        return older & Q(id__gte=last[0]), last[0]
    timestamp = min(timestamps)
    if criteria.since is not None and timestamp <= criteria.since:
        return older, None
    at_timestamp = entries.filter(timestamp=timestamp).order_by("id").values_list("id", flat=True)
    return older & Q(timestamp__gte=timestamp), at_timestamp[0]


def _position(entries: AuditLogQuerySet, before: int | None, time: str) -> Position | None:
    if before is None:
        return None
    row = entries.with_entry(before)
    return position_of(row, before, time)._replace(id=before) if time else Position(before, None)


def _first(entries: AuditLogQuerySet) -> tuple[int, datetime | None] | None:
    """Id and time. The time is None if it was altered to something invalid."""
    with any_text():
        found = entries.values_list("id", Spelled("timestamp")).first()
    return None if found is None else (found[0], timestamp_of(found[1]))
