"""A dump of the database: every column of every table, in the order in which the database stores the rows.

On PostgreSQL, it also has the place of each row in its file, and the transaction that wrote it.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from campaigns.canaries.features import Seen

# ``{table: (columns, rows)}``
type Dump = dict[str, tuple[list[str], list[tuple[Any, ...]]]]

# The page and the place of a row, as a number, and the transaction that wrote it.
_PHYSICAL = (
    "((ctid::text::point)[0] * 1000 + (ctid::text::point)[1])::bigint AS ctid, xmin::text::bigint AS xmin, "
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Named:
    """An object that rows can name."""

    id: str
    name: str

    @property
    def spellings(self) -> tuple[str, ...]:
        """The last one is that of bytes in hex."""
        return self.id, self.id.replace("-", ""), self.name, self.name.encode().hex()

    @property
    def grams(self) -> list[bytes]:
        """Pairs of octets of the id and of the name."""
        octets = [UUID(self.id).bytes, self.name.encode()]
        return [each[place : place + 2] for each in octets for place in range(len(each) - 1)]


@dataclass
class Split:
    """``seen``: the cells of the rows about each object. ``rest``: the octets of all other rows, by column."""

    seen: list[Seen]
    rest: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    rows: int = 0
    columns: int = 0


def dump() -> Dump:
    physical = _PHYSICAL if connection.vendor == "postgresql" else ""
    found: Dump = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT {physical}* FROM "{table}"')  # noqa: S608 - of our own database
            columns = [column.name for column in cursor.description]
            found[table] = columns, [tuple(map(_plain, row)) for row in cursor.fetchall()]
    return found


def split(dumped: Dump, objects: Sequence[Named]) -> Split:
    """Rows are about an object if they have its id or name, or an id that only rows about this object have."""
    named = {
        (table, place): [
            number for number, each in enumerate(objects) if any(s in text for s in each.spellings)
        ]
        for table, (_, rows) in dumped.items()
        for place, text in enumerate(map(_text, rows))
    }
    owners = _owners(dumped, named)
    found = Split([defaultdict(list) for _ in objects])
    for table, (columns, rows) in dumped.items():
        found.columns += len(columns)
        for place, row in enumerate(rows):
            found.rows += 1
            about = named[table, place] or sorted({owners[each] for each in _ids_in(row) if each in owners})
            for number in about:
                found.seen[number][f"{table}.(position)"].append(place)
                for column, value in zip(columns, row, strict=True):
                    found.seen[number][f"{table}.{column}"].append(value)
            if not about:
                for column, value in zip(columns, row, strict=True):
                    found.rest[f"{table}.{column}"] += value if isinstance(value, bytes) else b""
    return found


def traces(blobs: Mapping[str, bytes | bytearray], objects: Sequence[Named]) -> dict[str, list[float]]:
    """How often octets of the id or name of each object are in columns of rows about none, such as sealed ones."""
    return {
        f"{place} has octets of it": [float(sum(blob.count(gram) for gram in each.grams)) for each in objects]
        for place, blob in blobs.items()
        if blob
    }


def exclusive_or(one: Mapping[str, bytearray], other: Mapping[str, bytearray]) -> dict[str, bytes]:
    """Of the same columns of two dumps. Texts encrypted with the same key stream would show."""
    return {
        f"{place}, both dumps": bytes(a ^ b for a, b in zip(octets, other[place], strict=False))
        for place, octets in one.items()
        if place in other
    }


def _owners(dumped: Dump, named: Mapping[tuple[str, int], Sequence[int]]) -> dict[str, int]:
    """The object by each id that only rows about this object have."""
    found = defaultdict[str, set[int]](set)
    for (table, place), about in named.items():
        if about:
            for each in _ids_in(dumped[table][1][place]):
                found[each].update(about)
    return {each: next(iter(about)) for each, about in found.items() if len(about) == 1}


def _ids_in(row: Sequence[Any]) -> Iterator[str]:
    for value in row:
        if isinstance(value, str):
            yield from _UUID.findall(value)


def _text(row: Sequence[Any]) -> str:
    return " ".join(value.hex() if isinstance(value, bytes) else str(value) for value in row)


def _plain(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    return str(value) if isinstance(value, UUID) else value
