"""The objects of a catalog, and the differences between two catalogs."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_SEPARATOR = " | "
_LIST = re.compile(r"ARRAY\[([^]]*)\]::text\[\]")
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
"""The definition of each object, on one line."""


def catalog_of(rows: Iterable[Iterable[object]]) -> Catalog:
    """``rows`` are (kind, table, name, definition)."""
    texts = (tuple(" ".join(str(value or "").split()) for value in row) for row in rows)
    return {CatalogObject(kind, table, name): _as_restored(text) for kind, table, name, text in texts}


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
            yield _printable(f"{each} is not the application's: {found[each]}")
        elif expected[each] != found[each]:
            yield _printable(f"{each} was altered: {found[each]}")


def _printable(text: str) -> str:
    """A name in the database can contain control characters, for the terminal that shows it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _may_be_missing(definition: str) -> bool:
    """Migrations create such an index only if PostgreSQL has the extension pg_trgm."""
    return "gin_trgm_ops" in definition
