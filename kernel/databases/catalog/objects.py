"""The objects of a catalog, and the differences between two catalogs."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

_SEPARATOR = " | "
_SPACE = re.compile(r"[ \t\r\n]+")
_LIST = re.compile(r"ARRAY\[([^]]*)\]::text\[\]")
_REBUILT = re.compile(r"_cc(new|old)\d*$")
_VARYING = "::character varying"


class CatalogObject(NamedTuple):
    """An object, such as an index. ``table`` is "" if it belongs to none, ``name`` if it is the table itself."""

    kind: str
    table: str
    name: str

    def __str__(self) -> str:
        named = f"the {self.kind} {self.name or self.table}"
        return f"{named} of {self.table}" if self.table and self.name else named


type Catalog = dict[CatalogObject, str]
"""The definition of each object: on one line, unless it has a comment of SQL."""


def catalog_of(rows: Iterable[Iterable[Any]]) -> Catalog:
    """``rows`` are (kind, table, name, definition). Definitions of the same object are joined, in a fixed order."""
    found: Catalog = {}
    for kind, table, name, definition in sorted(rows, key=str):
        each, text = (
            CatalogObject(str(kind), str(table), str(name)),
            _as_restored(_on_one_line(str(definition or ""))),
        )
        found[each] = f"{found[each]}, {text}" if each in found else text
    return found


def _on_one_line(definition: str) -> str:
    """Without white space that has no meaning. Other spaces of Unicode are parts of names, and a comment ends with its line."""
    return definition if "--" in definition else _SPACE.sub(" ", definition).strip(" ")


def _as_restored(definition: str) -> str:
    """PostgreSQL spells a list of texts in another way once a dump with it was restored. This is that spelling."""
    return _LIST.sub(lambda found: f"ARRAY[{found[1].replace(_VARYING, f'{_VARYING}::text')}]", definition)


def encode(catalog: Catalog) -> str:
    """One line for each object, sorted."""
    lines = sorted(_SEPARATOR.join((*each, definition)) for each, definition in catalog.items())
    return "".join(f"{line}\n" for line in lines)


def decode(text: str) -> Catalog:
    """Inverse of ``encode``."""
    return catalog_of(line.split(_SEPARATOR, maxsplit=3) for line in text.splitlines())


def differences(expected: Catalog, found: Catalog) -> Iterator[str]:
    """One printable text for each object that is missing, altered, or in ``found`` only."""
    for each in sorted(expected.keys() | found.keys()):
        if each not in found:
            if not _may_be_missing(expected[each]):
                yield f"{each} is missing"
        elif each not in expected:
            if not _is_rebuilding(each, found[each], expected):
                yield _printable(f"{each} is not the application's: {found[each]}")
        elif expected[each] != found[each]:
            yield _printable(f"{each} was altered: {found[each]}")


def _is_rebuilding(each: CatalogObject, definition: str, expected: Catalog) -> bool:
    """Whether REINDEX CONCURRENTLY is about to replace an index of ours with this one, or has just replaced this one."""
    if each.kind != "index" or not _REBUILT.search(each.name):
        return False
    unnamed = definition.removesuffix(" invalid").replace(f" {each.name} ", " ", 1)
    return any(
        other.kind == "index"
        and other.table == each.table
        and text.replace(f" {other.name} ", " ", 1) == unnamed
        for other, text in expected.items()
    )


def _printable(text: str) -> str:
    """A name in the database can contain control characters, for the terminal that shows it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _may_be_missing(definition: str) -> bool:
    """Migrations create such an index only if PostgreSQL has the extension pg_trgm."""
    return "gin_trgm_ops" in definition
