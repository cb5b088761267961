"""Names of the objects in the log, which has only their types and ids.

Each app registers its objects that have names. Names are read when a page or a search needs them, so a reader never
gets the name of an object that they may not see.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import CharField, Q, QuerySet, Value

from audit.log.raw_rows import Spelled, uuid_of
from kernel.errors import Denied
from kernel.runtime import ProcessState

_MOST_CHECKED: Final = 50_000
MOST_BEGUN: Final = 100  # names that the words of one search may begin


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedObjects:
    """The objects of one type. Their ids are UUIDs, and ``column`` has their names, which are unique and lower-case.

    ``visible_to`` returns the rows that a reader may see, each with a MAC. It raises Denied if there are none. ``page``
    is the URL name of an object's page, with the name as its argument. A refused request records ``prefix`` and the
    name instead of the id. ``indexed`` is a column with a trigram index whose text contains the name, unless ``column`` has
    such an index or the table is small.
    """

    visible_to: Callable[[Any], QuerySet[Any]]
    column: str
    page: str = ""
    prefix: str = ""
    indexed: str = ""


_TYPES: dict[str, NamedObjects] = {}  # noqa: CC6 - apps register in AppConfig.ready


def register(object_type: str, objects: NamedObjects) -> None:
    """Add a type of objects. Each app calls it when it is ready."""
    _TYPES[object_type] = objects


def page_of(object_type: str) -> str:
    """The URL name of the page of such an object; "" if there is none."""
    return _TYPES[object_type].page if object_type in _TYPES else ""


def visible_names(reader: object, objects: Iterable[tuple[Any, Any]]) -> Mapping[tuple[str, str], str]:
    """``{(type, id): name}`` of the objects that the reader may see, with one query if they were checked before.

    ``objects`` are types and ids as in entries. Values of an altered entry may have any type. An object whose row was
    altered has no name.
    """
    ids: defaultdict[str, set[UUID]] = defaultdict(set)
    for object_type, spelled in objects:
        if object_type in _TYPES and (object_id := uuid_of(spelled)):
            ids[object_type].add(object_id)
    visible = {each: rows.filter(pk__in=ids[each]) for each, rows in _visible_to(reader, ids)}
    rows = _read(visible)
    checked = _checked(rows, visible)
    return {(row.type, row.id): row.name for row in rows if row in checked}


class NamedIds(NamedTuple):
    """``{name: ids}`` of objects. ``has_all``: also of those with a part that begins like a word; False if these are more than ``MOST_BEGUN``."""

    ids: Mapping[str, Collection[str]]
    has_all: bool = True


def ids_of(reader: object, names: Collection[str], beginnings: Collection[str] = ()) -> NamedIds:
    """The visible objects that have one of the ``names``, or a name with a part that begins with one of the ``beginnings``,
    which are some of the ``names``.

    One query if they were checked before. Ids include ``prefix`` and the name. Raises IntegrityFailed if a row was altered.
    """
    if not names:
        return NamedIds({})
    visible = {}
    for each, found in _visible_to(reader, _TYPES):
        named = Q(**{f"{_TYPES[each].column}__in": names})
        visible[each] = found.filter(named | _has_part(_TYPES[each], beginnings))
    rows = _read(visible, MOST_BEGUN + 1)
    if len(rows) > MOST_BEGUN and beginnings:
        return NamedIds(ids_of(reader, names).ids, has_all=False)
    for altered in set(rows) - _checked(rows, visible):
        for row in visible[altered.type]:
            row.check_mac()
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        ids[row.name] |= {row.id, *prefixed(row.name)}
    return NamedIds({name: frozenset(found) for name, found in ids.items()})


def has_part(name: str, beginning: str) -> bool:
    """Whether a part of the name begins like this: ``payout-iban`` has ``payout`` and ``iban``."""
    return re.search(_part_of([beginning]), name) is not None


def named_by(word: str, names: Mapping[str, Collection[str]]) -> set[str]:
    """The ids of those ``names`` that have a part which begins with the word."""
    return {each for name, ids in names.items() if has_part(name, word.lower()) for each in ids}


def _has_part(objects: NamedObjects, beginnings: Collection[str]) -> Q:
    """Match a name like ``has_part``. The index, or a comparison that is faster than the expression, finds a few."""
    text = objects.indexed or objects.column
    some = reduce(or_, (Q(**{f"{text}__contains": each}) for each in beginnings), Q(pk__in=()))
    return some & Q(**{f"{objects.column}__regex": _part_of(beginnings)})


def _part_of(beginnings: Iterable[str]) -> str:
    """A regular expression for Python and PostgreSQL."""
    return f"(^|[^a-z0-9])({'|'.join(map(re.escape, sorted(beginnings)))})"


def prefixed(name: str) -> list[str]:
    """The name as refused requests have it in place of an id."""
    return [objects.prefix + name for objects in _TYPES.values() if objects.prefix]


def without_prefix(text: str) -> str:
    """The name in such a text. Any other text is unchanged."""
    for objects in _TYPES.values():
        text = text.removeprefix(objects.prefix)
    return text


def names_beginning_with(reader: object, object_type: str, beginning: str, *, most: int) -> list[str]:
    """The first names of visible objects of one type, sorted."""
    column = _TYPES[object_type].column
    for _, visible in _visible_to(reader, [object_type]):
        found = visible.filter(**{f"{column}__startswith": beginning}).order_by(column)
        return list(found.values_list(column, flat=True)[:most])
    return []


def _visible_to(reader: object, object_types: Iterable[str]) -> Iterator[tuple[str, QuerySet[Any]]]:
    for object_type in object_types:
        try:
            yield object_type, _TYPES[object_type].visible_to(reader)
        except Denied:
            continue


class _Row(NamedTuple):
    type: str
    id: str
    name: str


# Names never change, so the MAC of a row needs to be checked once in a process.
_checked_rows = ProcessState(set[_Row])


def _read(visible: Mapping[str, QuerySet[Any]], most: int | None = None) -> list[_Row]:
    """The rows of all types, with one statement. ``most``: only that many."""
    rows = [
        found.order_by().values_list(
            Value(each, output_field=CharField()), Spelled("id"), _TYPES[each].column
        )
        for each, found in visible.items()
    ]
    return [_Row(*row) for row in (rows[0].union(*rows[1:], all=True)[:most] if rows else ())]


def _checked(rows: Collection[_Row], visible: Mapping[str, QuerySet[Any]]) -> set[_Row]:
    """Those of the rows that have a valid MAC."""
    known = _checked_rows.current
    checked = known.intersection(rows)
    for each in {row.type for row in rows if row not in checked}:
        column = _TYPES[each].column
        checked |= {
            _Row(each, str(row.pk), getattr(row, column)) for row in visible[each] if row.is_authentic
        }
    if len(known) > _MOST_CHECKED:
        known.clear()
    known |= checked
    return checked
