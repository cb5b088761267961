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
from string import hexdigits
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db.models import Model, Q, QuerySet, Value

from audit.log.object_names import prefixed, without_prefix
from audit.log.packed_rows import spelling_of
from audit.log.raw_rows import HexContains, Spelled, any_text, timestamp_of
from kernel.databases.rows import AnyOf
from kernel.errors import Invalid

EXACT_COUNT = 1_000  # counting further takes up to half a second, for a number that is of no use
SEARCH_DEPTH = 10_000  # ids that one search reads, because no index supports it
_SHORTEST = 3  # characters of a word that begins a part of a name: a trigram, which an index finds
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
    ``audit.log.operations.OPERATION``, or the first words of a label. An entry must match every word of ``search``: a part
    of its texts, or the beginning of a part of its object's name. A phrase in double quotes is one word, and no name.
    Raises Invalid for more than ``MAX_WORDS`` words.
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
    def divides_rows(self) -> bool:
        """Whether only some entries of a packed row may match."""
        return bool(self.request_id or self.search)

    @property
    def words(self) -> list[str]:
        """The words, and the phrases with their quotes."""
        return list(dict.fromkeys(split(self.search)))

    @property
    def possible_names(self) -> set[str]:
        """The words that may be the name of an object. A UUID is an id, and names are lower-case."""
        given = [without_prefix(self.object_id), *(word for word in self.words if not word.startswith('"'))]
        return {text.lower() for text in given if text and parse_id(text) is None}

    @property
    def possible_beginnings(self) -> set[str]:
        """Those that may begin a part of a name."""
        return {word.lower() for word in self.words if len(word) >= _SHORTEST} & self.possible_names


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

    @classmethod
    def of(
        cls, rows: Sequence[M], limit: int, count: int, next_before: int | None, newer: Sequence[int]
    ) -> Self:
        """``count`` of more than ``EXACT_COUNT`` is not exact. ``newer`` are the ids on the newer page and the next one."""
        return cls(
            rows=rows,
            count=min(count, EXACT_COUNT),
            count_is_exact=count <= EXACT_COUNT,
            next_before=next_before,
            has_previous=bool(newer),
            previous_before=newer[limit] if len(newer) > limit else None,
        )


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
    position = None
    if before is not None:
        position = position_of(rows.filter(id=before), before, time) if time else Position(before, None)
    window = read(newest_first(rows.filter(is_older(position, time)), time)[: limit + 1])
    next_before = window[limit - 1].pk if len(window) > limit else None
    ids: list[int] = []
    if position is not None:
        after = rows.filter(is_not_older(position, time)).order_by(*columns_of(time))[: limit + 1]
        ids = list(after.values_list("id", flat=True))
    is_only_page = before is None and next_before is None
    count = len(window) if is_only_page else first_to_count(rows, time).count()
    return KeysetPage.of(window[:limit], limit, count, next_before, ids)


def first_to_count[R: QuerySet[Any]](rows: R, time: str) -> R:
    """The rows to count. In the order of a time range, PostgreSQL counts along its index, and stops at the limit."""
    return rows.order_by(*(time,) if time else ())[: EXACT_COUNT + 1]


def first_of[R: QuerySet[Any]](rows: R, limit: int, alternatives: Sequence[Q]) -> R:
    """The first of the sorted rows that match any of the ``alternatives``, or the first of all if there are none.

    An index gives the rows of one alternative in order. For a condition with OR, the database would sort all matching
    rows, or read the whole log until it has found enough.
    """
    if len(alternatives) > 1:
        return rows.filter(id__in=AnyOf(rows.filter(each)[:limit] for each in alternatives))[:limit]
    return rows.filter(any_of(alternatives))[:limit]


def columns_of(time: str) -> tuple[str, ...]:
    return (time, "id") if time else ("id",)


def newest_first[R: QuerySet[Any]](rows: R, time: str) -> R:
    """Sorted by id, or by the column ``time`` if given."""
    return rows.order_by(*(f"-{column}" for column in columns_of(time)))


def time_column(criteria: LogCriteria | TrailCriteria, column: str) -> str:
    """The ``time`` for ``page_before``: the ``column`` if the criteria limit it, otherwise none."""
    return column if criteria.since is not None or criteria.until is not None else ""


class Position(NamedTuple):
    """The place of a row. Without a timestamp, it divides the others by their ids."""

    id: int
    timestamp: datetime | None


def position_of(row: QuerySet[Any], log_id: int, time: str) -> Position:
    """That of the ``row``; of the id if there is no such row.

    Also without a timestamp if the column was altered to an invalid time, which Django cannot convert.
    """
    with any_text():
        found = row.values_list("id", *(Spelled(name) for name in [time] if name)).first()
    return (
        Position(log_id, None)
        if found is None
        else Position(found[0], timestamp_of(found[1]) if time else None)
    )


def is_older(position: Position | None, time: str) -> Q:
    """Rows before the position; all without one."""
    if position is None or position.timestamp is None:
        return Q() if position is None else Q(id__lt=position.id)
    # The separate condition on the time lets PostgreSQL start its index scan there.
    return Q(**{f"{time}__lte": position.timestamp}) & (
        Q(**{f"{time}__lt": position.timestamp}) | Q(id__lt=position.id)
    )


def is_not_older(position: Position, time: str) -> Q:
    """The rows from the position on."""
    if position.timestamp is None:
        return Q(id__gte=position.id)
    return Q(**{f"{time}__gte": position.timestamp}) & (
        Q(**{f"{time}__gt": position.timestamp}) | Q(id__gte=position.id)
    )


def parse_id(text: str) -> UUID | None:
    """The id that the text spells, None for a name. Only the hyphenated spelling of a UUID is an id."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def split(search: str) -> list[str]:
    """The words, and the phrases with their quotes."""
    return _WORD.findall(search)


def contains_word(word: str) -> Q:
    """Match a word, or a phrase in quotes, in any text of the entry."""
    text = phrase_of(word)
    anywhere = _has_in_details(text)
    for name in SEARCHED:
        anywhere |= Q(**{f"{name}__icontains": text})
    return anywhere


def has_request(request_id: str) -> Q:
    """Match the request id. A packed row may match without such an entry (``Matcher``)."""
    packed = _has_in_details(request_id) if spelling_of(request_id) else Q()
    return Q(request_id=request_id) | packed


def _has_in_details(text: str) -> Q:
    """Packed rows that may have an entry whose request id contains the text."""
    digits = text.replace("-", "").lower()
    return Q(HexContains("details", Value(digits))) if digits and not digits.strip(hexdigits) else Q()


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
