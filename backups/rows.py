r"""Rows as lines in the text format of PostgreSQL's COPY, and back. PostgreSQL does this itself; SQLite needs it.

A line has the columns of one row with tabs between them. ``\N`` is NULL. A boolean is ``t`` or ``f``, bytes are ``\x``
and hexadecimal digits, a UUID has dashes, and a timestamp is spelled as in an entry.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from audit.log.raw_rows import ReportProgress
from backups.tables import ColumnType

NULL: Final = r"\N"
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NEEDS_ESCAPE = re.compile(r"[\\\t\n\r]")
_ESCAPE = re.compile(r"\\(.)")
_UNESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def encode_row(values: Sequence[Any], types: Sequence[ColumnType]) -> str:
    """The line of a row that SQLite has returned. Raises TypeError and ValueError for a value that the application
    never writes.
    """
    return (
        "\t".join(
            [
                NULL if value is None else _ENCODERS[kind](value)
                for value, kind in zip(values, types, strict=True)
            ]
        )
        + "\n"
    )


def decode_row(line: str, types: Sequence[ColumnType]) -> list[Any]:
    """The values of a line, as Django stores them in SQLite. Raises ValueError."""
    cells = line.removesuffix("\n").split("\t")
    return [None if cell == NULL else _DECODERS[kind](cell) for cell, kind in zip(cells, types, strict=True)]


def _encode_boolean(value: Any) -> str:
    if type(value) is not int:
        raise TypeError("no boolean")
    return "t" if value else "f"


def _encode_bytes(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError("no bytes")
    return rf"\\x{value.hex()}"


def _encode_integer(value: Any) -> str:
    if type(value) is not int:
        raise TypeError("no integer")
    return str(value)


def _encode_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value.translate(_ESCAPED) if _NEEDS_ESCAPE.search(value) else value


def _encode_spelled(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    def encode(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError("another spelling")
        return value

    return encode


def _decode_text(cell: str) -> str:
    if "\\" not in cell:
        return cell
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[1]), cell)


def _decode_json(cell: str) -> str:
    """PostgreSQL sorts the names of an object, and spells numbers and letters differently from Django."""
    return json.dumps(json.loads(_decode_text(cell)))


def _decode_timestamp(cell: str) -> str:
    return cell.replace("T", " ").removesuffix("Z").removesuffix(".000000")


_ENCODERS: Final[Mapping[ColumnType, Callable[[Any], str]]] = MappingProxyType(
    {
        ColumnType.BOOLEAN: _encode_boolean,
        ColumnType.BYTES: _encode_bytes,
        ColumnType.INTEGER: _encode_integer,
        ColumnType.JSON: _encode_text,
        ColumnType.TEXT: _encode_text,
        ColumnType.TIMESTAMP: _encode_spelled(_TIMESTAMP),
        ColumnType.UUID: _encode_spelled(_UUID),
    }
)
_DECODERS: Final[Mapping[ColumnType, Callable[[str], Any]]] = MappingProxyType(
    {
        ColumnType.BOOLEAN: lambda cell: int(cell == "t"),
        ColumnType.BYTES: lambda cell: bytes.fromhex(cell.removeprefix(r"\\x")),
        ColumnType.INTEGER: int,
        ColumnType.JSON: _decode_json,
        ColumnType.TEXT: _decode_text,
        ColumnType.TIMESTAMP: _decode_timestamp,
        ColumnType.UUID: lambda cell: cell.replace("-", ""),
    }
)


class RowCounter:
    """Reports the rows that are done."""

    def __init__(self, total: int, report: ReportProgress) -> None:
        self.done = 0
        self._total, self._report = total, report

    def add(self, rows: int) -> None:
        self.done += rows
        self._report(self.done, self._total)
