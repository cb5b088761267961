"""Names of the objects in the log, which has only their types and ids.

Each app registers its objects that have names. Names are read when a page or a search needs them, so a reader never
gets the name of an object that they may not see.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import CharField, QuerySet, Value

from audit.log.raw_rows import Spelled, uuid_of
from kernel.errors import Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedObjects:
    """The objects of one type. Their ids are UUIDs, and ``column`` has their names, which are unique and lower-case.

    ``visible_to`` returns the rows that a reader may see. It raises Denied if there are none. ``page`` is the URL name
    of an object's page, with the name as its argument. Refused requests have ``prefix`` and the name instead of the id.
    """

    visible_to: Callable[[Any], QuerySet[Any]]
    column: str
    page: str = ""
    prefix: str = ""


_TYPES: dict[str, NamedObjects] = {}


def register(object_type: str, objects: NamedObjects) -> None:
    """Add a type of objects. Each app calls it when it is ready."""
    _TYPES[object_type] = objects


def page_of(object_type: str) -> str:
    """The URL name of the page of such an object; "" if there is none."""
    return _TYPES[object_type].page if object_type in _TYPES else ""


def visible_names(reader: object, objects: Iterable[tuple[Any, Any]]) -> Mapping[tuple[str, str], str]:
    """``{(type, id): name}`` of the objects that the reader may see, with at most one query.

    ``objects`` are types and ids as in entries. Values of an altered entry may have any type.
    """
    ids: defaultdict[str, set[UUID]] = defaultdict(set)
    for object_type, spelled in objects:
        if object_type in _TYPES and (object_id := uuid_of(spelled)):
            ids[object_type].add(object_id)
    rows = [
        visible.filter(pk__in=ids[object_type]).values_list(*_columns(object_type))
        for object_type, visible in _visible_to(reader, ids)
    ]
    return {(object_type, object_id): name for object_type, object_id, name in _all_of(rows)}


def ids_of(reader: object, names: Collection[str]) -> Mapping[str, frozenset[str]]:
    """``{name: ids}`` of the names that visible objects have, with one query. Ids include ``prefix`` and the name."""
    if not names:
        return {}
    rows = [
        visible.filter(**{f"{_TYPES[object_type].column}__in": names}).values_list(*_columns(object_type))
        for object_type, visible in _visible_to(reader, _TYPES)
    ]
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for _, object_id, name in _all_of(rows):
        ids[name] |= {object_id, *prefixed(name)}
    return {name: frozenset(found) for name, found in ids.items()}


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


def _columns(object_type: str) -> tuple[Any, ...]:
    return Value(object_type, output_field=CharField()), Spelled("id"), _TYPES[object_type].column


def _all_of(rows: list[QuerySet[Any]]) -> QuerySet[Any] | tuple[()]:
    """The rows of all querysets, with one statement."""
    unordered = [each.order_by() for each in rows]
    return unordered[0].union(*unordered[1:], all=True) if len(rows) > 1 else next(iter(unordered), ())
