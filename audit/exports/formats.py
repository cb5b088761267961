"""Entries as lines of a file.

A line of JSONL has the bytes that are hashed into the tree, with the member ``integrity`` added at the end. Without
that member, a line hashes to its leaf. CSV (RFC 4180, UTF-8) is for spreadsheets, and proves nothing.
"""

import csv
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from audit.log.entries import ACTOR_ID, ENTRY_FIELDS, ENTRY_ORDERS, version_of

type Columns = Mapping[str, object]


class ExportFormat(StrEnum):
    """Entries as lines of canonical JSON or as a table, or tiles for the verifier, with entries and checkpoints."""

    JSONL = "jsonl"
    CSV = "csv"
    TILES = "tiles"


@dataclass(frozen=True, slots=True)
class _FileType:
    label: str
    extension: str
    media_type: str


FILE_TYPES: Mapping[str, _FileType] = MappingProxyType(
    {
        ExportFormat.JSONL: _FileType("JSON Lines", "jsonl", "application/jsonl"),
        ExportFormat.CSV: _FileType("CSV", "csv", "text/csv; charset=utf-8; header=present"),
        ExportFormat.TILES: _FileType("Tiles", "tar", "application/x-tar"),
    }
)

# The start of a formula, at the start of a cell or after a separator other than the comma, because a spreadsheet's
# locale chooses the separator. Quotes may come first. Full-width signs count too.
_FORMULA = re.compile(r'(\A|[;|\t])(?="*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n])')
_GUARD = "'"


class Exported(Protocol):
    """One entry: ``FoundEntry`` of a row or ``ArchivedEntry`` of a file.

    ``octets`` is empty if its columns have no canonical form.
    """

    @property
    def columns(self) -> Columns: ...
    @property
    def octets(self) -> bytes: ...
    @property
    def integrity(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _RowFormat:
    """The header of the file, and the bytes of each entry."""

    header: bytes
    line: Callable[[Exported], bytes]


class _Passing:
    """A file for ``csv.writer`` that returns the text, so that ``writerow`` returns the line."""

    def write(self, text: str) -> str:
        return text


# A column that a later version adds comes last, so that the others keep their place.
_CSV_COLUMNS = (*(name for name in ENTRY_FIELDS if name != ACTOR_ID), "integrity", ACTOR_ID)
_WRITER = csv.writer(_Passing(), lineterminator="\r\n")


def with_integrity(entry: Exported) -> bytes:
    """The entry with its integrity. The JSON contains no newline."""
    octets = entry.octets or _as_found(entry.columns)
    return b'%s,"integrity":"%s"}' % (octets[:-1], entry.integrity.encode())


def csv_line(columns: Columns, integrity: str) -> bytes:
    """The columns of the entry and its integrity. Null becomes an empty cell."""
    cells = {**columns, "integrity": integrity}
    return _csv([_cell(cells[name]) for name in _CSV_COLUMNS])


def _as_found(columns: Columns) -> bytes:
    """For an altered entry without a canonical form: the same members in the same order."""
    version = version_of(columns)
    members = {name: columns.get(name, version) for name in ENTRY_ORDERS[version]}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def guarded(text: str) -> str:
    """The text, with an apostrophe before everything that a spreadsheet would read as a formula."""
    return _FORMULA.sub(rf"\1{_GUARD}", text)


def _csv(cells: list[str]) -> bytes:
    line: str = _WRITER.writerow(cells)
    return line.encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return guarded(value) if isinstance(value, str) else str(value)


ROW_FORMATS: Mapping[str, _RowFormat] = MappingProxyType(
    {
        ExportFormat.JSONL: _RowFormat(b"", lambda entry: with_integrity(entry) + b"\n"),
        ExportFormat.CSV: _RowFormat(
            _csv([*_CSV_COLUMNS]), lambda entry: csv_line(entry.columns, entry.integrity)
        ),
    }
)
