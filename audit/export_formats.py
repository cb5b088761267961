"""Entries as lines of a file.

JSONL has one entry a line, in exactly the bytes that are hashed into the tree: whoever has a line can compute its
leaf. CSV (RFC 4180, UTF-8) is for reading in a spreadsheet, and proves nothing.
"""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from audit.canonical import format_timestamp
from audit.entries import ENTRY_FIELDS, entry_bytes

type Row = Mapping[str, object]


class ExportFormat(StrEnum):
    """Entries as lines of canonical JSON or as a table, or a folder for the verifier: entries, tiles, checkpoints."""

    JSONL = "jsonl"
    CSV = "csv"
    TILES = "tiles"


@dataclass(frozen=True, slots=True)
class FileType:
    extension: str
    media_type: str


FILE_TYPES: Mapping[str, FileType] = MappingProxyType(
    {
        ExportFormat.JSONL: FileType("jsonl", "application/jsonl"),
        ExportFormat.CSV: FileType("csv", "text/csv; charset=utf-8; header=present"),
        ExportFormat.TILES: FileType("tar", "application/x-tar"),
    }
)

# What makes a spreadsheet read a text as a formula, at the start of a cell, and where another separator than the comma
# begins one: spreadsheets take that of their country, and quotes as the beginning of a cell. The full-width signs count, too.
_FORMULA = re.compile(r'(\A|[;|\t])(?="*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n])')
GUARD = "'"


@dataclass(frozen=True, slots=True)
class RowFormat:
    """The first bytes of the file, and those of each row (a mapping of at least ``ENTRY_FIELDS``)."""

    header: bytes
    line: Callable[[Row], bytes]


class _Passing:
    """What ``csv.writer`` writes to: it answers ``writerow`` with the line."""

    def write(self, text: str) -> str:
        return text


_WRITER = csv.writer(_Passing(), lineterminator="\r\n")


def json_line(row: Row) -> bytes:
    """The entry and a newline, which canonical JSON never holds."""
    return entry_bytes(row) + b"\n"


def csv_line(row: Row) -> bytes:
    """The columns of the entry; null is an empty cell."""
    return _csv([_cell(row[name]) for name in ENTRY_FIELDS])


def guarded(text: str) -> str:
    """The text, with an apostrophe before whatever a spreadsheet would take for a formula."""
    return _FORMULA.sub(rf"\1{GUARD}", text)


def _csv(cells: list[str]) -> bytes:
    line: str = _WRITER.writerow(cells)
    return line.encode()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return format_timestamp(value)
        case str():
            return guarded(value)
    return str(value)


ROW_FORMATS: Mapping[str, RowFormat] = MappingProxyType(
    {
        ExportFormat.JSONL: RowFormat(b"", json_line),
        ExportFormat.CSV: RowFormat(_csv(list(ENTRY_FIELDS)), csv_line),
    }
)
