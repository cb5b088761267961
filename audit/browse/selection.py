"""The filters of the log, and keyset pagination.

An offset would read all rows that it skips, and shift while entries arrive. A page that begins below an id does
neither.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.log.object_names import prefixed, without_prefix
from audit.log.raw_rows import Spelled, any_text, timestamp_of
from kernel.databases.rows import AnyOf
from kernel.errors import Invalid

EXACT_COUNT = 1_000  # counting further takes up to half a second, for a number that is of no use
SEARCH_DEPTH = 20_000  # ids that one search reads, because no index supports it
_PHRASE = re.compile(r'"[^"]+"')
_WORD = re.compile(rf"{_PHRASE.pattern}|\S+")
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

    ``actor`` is the name or the id of a user or service account, ``object_id`` the id or the name of an object. ``action`` may also be
    ``audit.log.operations.OPERATION``. An entry must match every word of ``search``: a part of its texts, or the whole
    name of its object. A phrase in double quotes is one word. Raises Invalid for more than ``MAX_WORDS`` words.
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
        """The words, and the phrases with their quotes."""
        return list(dict.fromkeys(_WORD.findall(self.search)))

    @property
    def possible_names(self) -> set[str]:
        """The words that may be the name of an object. A UUID is an id, and names are lower-case."""
        given = [without_prefix(self.object_id), *(word for word in self.words if not word.startswith('"'))]
        return {text.lower() for text in given if text and parse_id(text) is None}


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
    number of rows on all pages, at most ``EXACT_COUNT``. ``count_is_exact`` is False if there are more.
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
    alternatives: Sequence[Q] = (),
) -> KeysetPage[M]:
    """The ``limit`` newest rows that are older than the row ``before``, or the newest of all.

    Rows are sorted by id or, if ``time`` names a column, by that time. A time range is one section of that column's
    index. By id, the database would first read everything that was written after the range.

    ``read`` fetches the rows of the page and one more. Of ``alternatives``, a row must match one.
    """
    older, newer = sides(rows, before, time)
    found, next_before = _read_page(rows.filter(older), time, limit, read, alternatives)
    ids: list[int] = []
    if before is not None:
        after = first_of(rows.filter(newer).order_by(*_columns(time)), limit + 1, alternatives)
        ids = list(after.values_list("id", flat=True))
    # In the order of a time range, PostgreSQL counts along the section of the index, and stops at the limit.
    matching = rows.filter(any_of(alternatives)).order_by(*(time,) if time else ())
    is_only_page = before is None and next_before is None
    count = len(found) if is_only_page else matching[: EXACT_COUNT + 1].count()
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
    alternatives: Sequence[Q] = (),
) -> tuple[list[M], int | None]:
    """The rows and the ``next_before`` of ``page_before``, without counting."""
    older, _ = sides(rows, before, time)
    return _read_page(rows.filter(older), time, limit, read, alternatives)


def _read_page[M: Model](
    rows: QuerySet[M],
    time: str,
    limit: int,
    read: Callable[[QuerySet[M]], list[M]],
    alternatives: Sequence[Q],
) -> tuple[list[M], int | None]:
    window = read(first_of(newest_first(rows, time), limit + 1, alternatives))
    return window[:limit], window[limit - 1].pk if len(window) > limit else None


def first_of[M: Model](rows: QuerySet[M], limit: int, alternatives: Sequence[Q]) -> QuerySet[M]:
    """The first of the sorted rows that match any of the ``alternatives``, or the first of all if there are none.

    An index gives the rows of one alternative in order. For a condition with OR, the database would sort all matching
    rows, or read the whole log until it has found enough.
    """
    if len(alternatives) > 1:
        return rows.filter(id__in=AnyOf(rows.filter(each)[:limit] for each in alternatives))[:limit]
    return rows.filter(any_of(alternatives))[:limit]


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


def parse_id(text: str) -> UUID | None:
    """The id that the text spells, None for a name. Only the hyphenated spelling of a UUID is an id."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def contains_word(word: str) -> Q:
    """Match a word, or a phrase in quotes, in any text of the entry."""
    text = phrase_of(word)
    anywhere = Q()
    for name in SEARCHED:
        anywhere |= Q(**{f"{name}__icontains": text})
    return anywhere


def phrase_of(word: str) -> str:
    """The word, or the phrase without its quotes."""
    return word[1:-1] if _PHRASE.fullmatch(word) else word


def is_object(text: str, ids: Collection[str]) -> list[Q]:
    """Alternatives that match an object by its id, or by its name if ``ids`` are those of the objects with this name."""
    return [Q(object_id=each) for each in sorted(object_ids(text, ids))]


def object_ids(text: str, ids: Collection[str]) -> set[str]:
    """The ``object_id`` of each entry that ``is_object`` matches."""
    return {text} if parse_id(text) is not None else {text, *prefixed(without_prefix(text)), *ids}


def any_of(alternatives: Iterable[Q]) -> Q:
    """Match any of them, or everything if there are none."""
    return reduce(or_, alternatives, Q())


def is_between(column: str, since: datetime | None, until: datetime | None) -> Q:
    between = Q()
    if since is not None:
        between &= Q(**{f"{column}__gte": since})
    if until is not None:
        between &= Q(**{f"{column}__lt": until})
    return between
