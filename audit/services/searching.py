"""Read a page of the log. A search reads entries that no index finds, so it has additional limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from audit.browse.search_limits import search_limits
from audit.browse.selection import (
    SEARCH_DEPTH,
    LogCriteria,
    any_of,
    is_between,
    newest_first,
    sides,
    time_column,
)
from audit.log.raw_rows import Spelled, any_text, timestamp_of
from audit.models import AuditLog, Reader
from audit.services.reading import Selection, select_logs
from kernel import throttle

SEARCH_COST = 15  # requests of the rate limit: the work of the database, relative to an ordinary read


@dataclass(frozen=True, slots=True)
class _Found:
    """Matching entries, to be paged from ``before`` on, sorted by the column ``time`` if it is set: the ``entries`` that
    match one of the selection's alternatives.

    If ``is_part``, they are those that one search reads. Then ``stopped_at`` is the id of the last one, and the
    ``before`` with which to continue; None if nothing is left to read.
    """

    selection: Selection
    entries: QuerySet[AuditLog]
    time: str
    before: int | None
    is_part: bool = False
    stopped_at: int | None = None

    @property
    def alternatives(self) -> Sequence[Q]:
        return self.selection.alternatives

    @property
    def rows(self) -> QuerySet[AuditLog]:
        """The matching entries, for a reader that needs no order, or all of them."""
        return self.entries.filter(any_of(self.alternatives))


@contextmanager
def search_logs(*, reader: Reader, criteria: LogCriteria, before: int | None = None) -> Iterator[_Found]:
    """The entries older than the entry ``before``, to be read inside the block.

    A search costs ``SEARCH_COST`` requests, and runs alone for its reader. It reads all entries of an object or actor,
    and otherwise at most ``SEARCH_DEPTH`` ids. Raises Denied, Throttled, SearchTimeout.
    """
    selected, time = select_logs(reader=reader, criteria=criteria), time_column(criteria, "timestamp")
    found = _Found(selected, selected.entries, time, before)
    if not selected.is_search:
        yield found
        return
    with search_limits(reader.identity):
        throttle.charge_principal(reader.identity.budget, SEARCH_COST - 1)  # the interface has charged one
        if not selected.is_narrow:
            part, stopped_at = _part(AuditLog.objects.visible_to(reader), criteria, before)
            found = _Found(
                selected,
                selected.entries.filter(part),
                time,
                before=None,
                is_part=True,
                stopped_at=stopped_at,
            )
        yield found


def _part(entries: QuerySet[AuditLog], criteria: LogCriteria, before: int | None) -> tuple[Q, int | None]:
    """The condition for the entries that one search reads, newest first, and the ``stopped_at`` of ``_Found``."""
    time = time_column(criteria, "timestamp")
    older, _ = sides(entries, before, time)
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


def _first(entries: QuerySet[AuditLog]) -> tuple[int, datetime | None] | None:
    """Id and time. The time is None if it was altered to something invalid."""
    with any_text():
        found = entries.values_list("id", Spelled("timestamp")).first()
    return None if found is None else (found[0], timestamp_of(found[1]))
