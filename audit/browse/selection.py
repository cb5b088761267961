"""The filters of the log, and keyset pagination.

An offset would read all rows that it skips, and shift while entries arrive. A page that begins below an id does
neither.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.log.raw_rows import Spelled, any_text, timestamp_of
from kernel.errors import Invalid

EXACT_COUNT = 10_000  # counting further would scan the whole log for a number that is of no use
SEARCH_DEPTH = 100_000  # ids that one search reads, because no index supports it
MAX_WORDS = 8  # per search: each is searched in every text of every entry that matches the words before it
SEARCHED = (
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "code",
    "request_id",
    "client_ip",
    "user_agent",
    "meta",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogCriteria:
    """Conditions on entries; empty ones match everything. ``since`` <= timestamp < ``until``.

    ``actor`` is a name or a user's id. ``action`` may be ``audit.log.operations.OPERATION``. Every word of ``search``
    must occur in the entry's texts. Raises Invalid for more than ``MAX_WORDS`` words.
    """

    actor: str = ""
    actor_type: str = ""
    action: str = ""
    object_id: str = ""
    outcome: str = ""
    source: str = ""
    request_id: str = ""
    client_ip: str = ""
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""

    def __post_init__(self) -> None:
        if len(self.words) > MAX_WORDS:
            raise Invalid.of_field("search", f"Use at most {MAX_WORDS} different words.")

    @property
    def words(self) -> list[str]:
        return list(dict.fromkeys(self.search.split()))

    @property
    def is_search(self) -> bool:
        """Whether no index finds the entries, so that every entry has to be read.

        An index on request ids or client addresses would slow down every operation.
        """
        return bool(self.words or self.request_id or self.client_ip)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrailCriteria:
    """Like LogCriteria, for changed rows."""

    actor: str = ""
    table_name: str = ""
    record_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeysetPage[M: Model]:
    """Rows, newest first. ``next_before`` starts the older page, ``previous_before`` the newer one.

    If ``has_previous`` is True and ``previous_before`` is None, the newer page is the newest one. ``count`` is the
    number of rows on all pages, at most 10,000. ``count_is_exact`` is False if there are more.
    """

    rows: Sequence[M]
    count: int
    count_is_exact: bool
    next_before: int | None
    has_previous: bool
    previous_before: int | None


def page_before[M: Model](
    rows: QuerySet[M],
    *,
    before: int | None,
    limit: int,
    time: str = "",
    read: Callable[[QuerySet[M]], list[M]] = list,
) -> KeysetPage[M]:
    """The ``limit`` newest rows that are older than the row ``before``, or the newest of all.

    Rows are sorted by id or, if ``time`` names a column, by that time. A time range is one section of that column's
    index. By id, the database would first read everything that was written after the range.

    ``read`` fetches the rows of the page and one more.
    """
    older, newer = sides(rows, before, time)
    found, next_before = _read_page(rows.filter(older), time, limit, read)
    ids = (
        []
        if before is None
        else list(rows.filter(newer).order_by(*_columns(time))[: limit + 1].values_list("id", flat=True))
    )
    is_only_page = before is None and next_before is None
    count = len(found) if is_only_page else rows.order_by()[: EXACT_COUNT + 1].count()
    return KeysetPage(
        rows=found,
        count=min(count, EXACT_COUNT),
        count_is_exact=count <= EXACT_COUNT,
        next_before=next_before,
        has_previous=bool(ids),
        previous_before=ids[limit] if len(ids) > limit else None,
    )


def rows_before[M: Model](
    rows: QuerySet[M],
    *,
    before: int | None,
    limit: int,
    time: str = "",
    read: Callable[[QuerySet[M]], list[M]] = list,
) -> tuple[list[M], int | None]:
    """The rows and the ``next_before`` of ``page_before``, without counting."""
    older, _ = sides(rows, before, time)
    return _read_page(rows.filter(older), time, limit, read)


def _read_page[M: Model](
    rows: QuerySet[M], time: str, limit: int, read: Callable[[QuerySet[M]], list[M]]
) -> tuple[list[M], int | None]:
    window = read(newest_first(rows, time)[: limit + 1])
    return window[:limit], window[limit - 1].pk if len(window) > limit else None


def _columns(time: str) -> tuple[str, ...]:
    return (time, "id") if time else ("id",)


def newest_first[M: Model](rows: QuerySet[M], time: str) -> QuerySet[M]:
    """Sorted by id, or by the column ``time`` if given."""
    return rows.order_by(*(f"-{column}" for column in _columns(time)))


def time_column(criteria: LogCriteria | TrailCriteria, column: str) -> str:
    """The ``time`` for ``page_before``: the ``column`` if the criteria limit it, otherwise none."""
    return column if criteria.since is not None or criteria.until is not None else ""


def sides[M: Model](rows: QuerySet[M], before: int | None, time: str) -> tuple[Q, Q]:
    """Conditions for rows older than the row ``before``, and for the rest. An unknown id divides the rows by id."""
    if before is None:
        return Q(), Q()
    timestamp = _timestamp_at(rows.filter(id=before), time) if time else None
    if timestamp is None:
        return Q(id__lt=before), Q(id__gte=before)
    # The separate condition on the time lets PostgreSQL start its index scan there.
    return (
        Q(**{f"{time}__lte": timestamp}) & (Q(**{f"{time}__lt": timestamp}) | Q(id__lt=before)),
        Q(**{f"{time}__gte": timestamp}) & (Q(**{f"{time}__gt": timestamp}) | Q(id__gte=before)),
    )


def _timestamp_at(rows: QuerySet[Any], time: str) -> datetime | None:
    """The time of the row. Also None if the column was altered to an invalid time, which Django cannot convert."""
    with any_text():
        return timestamp_of(rows.values_list(Spelled(time), flat=True).first())


def is_actor(actor: str) -> Q:
    """Match a user's id or, if ``actor`` is not spelled like one, a name. Each has an index; none serves both."""
    user_id = parse_id(actor)
    return Q(actor_name=actor) if user_id is None else Q(user_id=user_id)


def parse_id(actor: str) -> UUID | None:
    """The user's id that ``actor`` spells, None for a name. Only the hyphenated spelling of a UUID is an id."""
    try:
        user_id = UUID(actor)
    except ValueError:
        return None
    return user_id if str(user_id) == actor.lower() else None


def contains_word(word: str) -> Q:
    anywhere = Q()
    for name in SEARCHED:
        anywhere |= Q(**{f"{name}__icontains": word})
    return anywhere


def is_between(column: str, since: datetime | None, until: datetime | None) -> Q:
    between = Q()
    if since is not None:
        between &= Q(**{f"{column}__gte": since})
    if until is not None:
        between &= Q(**{f"{column}__lt": until})
    return between
