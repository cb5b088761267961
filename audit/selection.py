"""What a reader of the log may ask for: the filters, and pages by key.

An offset would read everything it skips and shift while entries arrive; a page that begins below an id does
neither.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.raw_rows import Spelled, any_text, moment_of
from ciphercanary.errors import Invalid

EXACT_COUNT = 10_000  # counting further would scan the whole log for a number nobody reads
SEARCH_DEPTH = 100_000  # ids that one search reads: no index serves it
MAX_WORDS = 8  # of a search: each is looked for in every text of every entry that the ones before it are in
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
    """What entries must agree with; an empty criterion asks nothing. ``since`` <= timestamp < ``until``.

    ``actor`` is a name or a user's id. Every word of ``search`` must occur somewhere in the entry's texts. Raises Invalid
    for more than ``MAX_WORDS`` of them.
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
        """Whether no index finds the entries, so that each one has to be read.

        An index of the ids of requests or of client addresses would slow down every operation.
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
    """Rows newest first. ``next_before`` and ``previous_before`` begin the older and the newer page.

    ``previous_before`` is None with ``has_previous`` where the newer page is the newest one. ``count`` tells
    the rows of all pages, and at most 10,000: ``count_is_exact`` says whether there are more.
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
    """The ``limit`` newest rows that are older than the one with the id ``before``, or the newest of all.

    Newest is the highest id; where ``time`` names a column, the latest time: a window of time is a piece of that
    column's index, but by id the database would first read everything that was written after it.

    ``read`` fetches the rows of the page and one more.
    """
    older, newer = sides(rows, before, time)
    window = read(_window(rows.filter(older), time, limit))
    ids = (
        []
        if before is None
        else list(rows.filter(newer).order_by(*_columns(time))[: limit + 1].values_list("id", flat=True))
    )
    is_only_page = before is None and len(window) <= limit
    count = len(window) if is_only_page else rows.order_by()[: EXACT_COUNT + 1].count()
    return KeysetPage(
        rows=window[:limit],
        count=min(count, EXACT_COUNT),
        count_is_exact=count <= EXACT_COUNT,
        next_before=window[limit - 1].pk if len(window) > limit else None,
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
    """The rows of ``page_before`` and its ``next_before``, by one statement: nothing is counted."""
    older, _ = sides(rows, before, time)
    window = read(_window(rows.filter(older), time, limit))
    return window[:limit], window[limit - 1].pk if len(window) > limit else None


def _columns(time: str) -> tuple[str, ...]:
    return (time, "id") if time else ("id",)


def _window[M: Model](rows: QuerySet[M], time: str, limit: int) -> QuerySet[M]:
    """The newest ``limit`` rows and, where there is one, the next."""
    return newest_first(rows, time)[: limit + 1]


def newest_first[M: Model](rows: QuerySet[M], time: str) -> QuerySet[M]:
    """By id; by the column ``time`` if it names one."""
    return rows.order_by(*(f"-{column}" for column in _columns(time)))


def time_column(criteria: LogCriteria | TrailCriteria, column: str) -> str:
    """What ``page_before`` is to order by: the ``column`` where the criteria bound it, else no time."""
    return column if criteria.since is not None or criteria.until is not None else ""


def sides[M: Model](rows: QuerySet[M], before: int | None, time: str) -> tuple[Q, Q]:
    """What is older than the row ``before``, and the rest. An id that is not among the rows divides them by id."""
    if before is None:
        return Q(), Q()
    moment = _moment_at(rows.filter(id=before), time) if time else None
    if moment is None:
        return Q(id__lt=before), Q(id__gte=before)
    # Spelt so that one bound of the time stands alone: PostgreSQL begins to read there.
    return (
        Q(**{f"{time}__lte": moment}) & (Q(**{f"{time}__lt": moment}) | Q(id__lt=before)),
        Q(**{f"{time}__gte": moment}) & (Q(**{f"{time}__gt": moment}) | Q(id__gte=before)),
    )


def _moment_at(rows: QuerySet[Any], time: str) -> datetime | None:
    """None also where somebody altered the column to something that is no moment, which Django cannot convert."""
    with any_text():
        return moment_of(rows.values_list(Spelled(time), flat=True).first())


def is_actor(actor: str) -> Q:
    """Of a user's id or, whatever is not spelt like one, of a name: one index serves each, and none serves both."""
    user_id = id_spelt(actor)
    return Q(actor_name=actor) if user_id is None else Q(user_id=user_id)


def id_spelt(actor: str) -> UUID | None:
    """The user's id that is written there, None for a name. Of the spellings of a UUID it is the one we answer with."""
    try:
        user_id = UUID(actor)
    except ValueError:
        return None
    return user_id if str(user_id) == actor.lower() else None


def holds_word(word: str) -> Q:
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
