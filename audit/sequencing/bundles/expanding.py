"""Expand bundles into rows of the log: the columns, the MAC and the leaf of each entry.

It runs for every entry, so everything that entries share is computed once for each kind: the pieces of the canonical
JSON between the columns that differ, and the columns as the database takes them.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from audit.log import canonical
from audit.log.bundles import Body, Bundle
from audit.log.entries import ACTOR_ID, MAC_ORDERS
from audit.log.entry_mac import entry_maker
from audit.log.entry_rows import STATIC, copy_text, stored_timestamp, stored_uuid
from kernel.runtime import process_cache

_KINDS: Final = 4096  # templates in memory
_VARYING: Final = ("event_id", "request_id", "size", "timestamp", "writer", "wseq")
_PLAIN = re.compile(r"[0-9A-Za-z._-]*")  # a text that neither JSON nor COPY escapes
_VERSION: Final = "version"


class _Columns(msgspec.Struct, forbid_unknown_fields=True):
    """The columns ``KIND_FIELDS`` with their types."""

    action: str
    actor_id: str | None
    actor_name: str
    actor_type: str
    auth_method: str
    client_ip: str
    code: str
    count: int
    meta: str
    object_id: str
    object_type: str
    object_version: int | None
    outcome: str
    source: str
    token_id: str
    user_agent: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class _Kind:
    """The columns that entries share. ``pieces`` are the texts of the entry's JSON around the columns of ``_VARYING``.

    The id belongs between the first two pieces. The MAC covers the text without it.
    """

    columns: Mapping[str, Any]
    version: int
    pieces: tuple[str, ...]
    copied: str  # the columns ``STATIC`` in the text format of COPY
    stored: tuple[Any, ...]  # the same for SQLite


@dataclass(slots=True)
class Usage:
    """Entries of one kind in one bundle, for the roll-ups: a row with their total count and size."""

    kind: _Kind
    at: str
    entries: int = 0
    size: int = 0

    @property
    def row(self) -> dict[str, Any]:
        columns = dict(self.kind.columns)
        return columns | {"timestamp": self.at, "count": columns["count"] * self.entries, "size": self.size}


@dataclass(slots=True)
class Expanded:
    """The rows of bundles: as lines of COPY or, for SQLite, as tuples. The leaves are in the order of the ids."""

    lines: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)

    def extend(self, other: "Expanded") -> None:
        self.leaves += other.leaves
        self.usage += other.usage


def expand(bundle: Bundle, body: Body, log_id: int, expanded: Expanded, *, is_sqlite: bool) -> None:
    """Add the rows of a bundle. ``log_id`` is the id of its first entry. Raises ValueError for an unreadable kind."""
    kinds = [kind_of(bytes(raw)) for raw in body.kinds]
    usage = [Usage(kind, bundle.at) for kind in kinds]
    shared = [_Shared(kind, bundle) for kind in kinds]
    wseq = bundle.first
    for number, event, request, size in body.entries:
        used = usage[number]
        used.entries += 1
        used.size += size or 0
        shared[number].add(expanded, (event, request, size), log_id, wseq, is_sqlite=is_sqlite)
        log_id += 1
        wseq += 1
    expanded.usage += usage


class _Shared:
    """The pieces that entries of one kind share within one bundle."""

    __slots__ = ("_copied", "_end", "_front", "_kind", "_mac", "_middle", "_moment", "_stored", "_writer")

    def __init__(self, kind: _Kind, bundle: Bundle) -> None:
        self._front, self._middle, after_request, after_size, after_time, after_writer = kind.pieces
        self._end = (after_request, f"{after_size}{bundle.at}{after_time}{bundle.writer}{after_writer}")
        self._mac = entry_maker(kind.version)
        self._copied = kind.copied
        self._moment = f"{bundle.at}\t{bundle.writer}\t"
        self._stored, self._writer = kind.stored, (stored_timestamp(bundle.at), stored_uuid(bundle.writer))

    def add(
        self,
        expanded: Expanded,
        entry: tuple[str, str, int | None],
        log_id: int,
        wseq: int,
        *,
        is_sqlite: bool,
    ) -> None:
        event, request, size = entry
        event_id = f"{event[:8]}-{event[8:12]}-{event[12:16]}-{event[16:20]}-{event[20:]}"
        is_plain = _PLAIN.fullmatch(request)
        spelled = f'"{request}"' if is_plain else canonical.encode(request).decode()
        after_request, after_size = self._end
        number = "null" if size is None else size
        begin = f'{self._front}{event_id}",'
        end = f"{self._middle}{spelled}{after_request}{number}{after_size}{wseq}}}"
        mac = self._mac((begin + end).encode())
        expanded.leaves.append(hashlib.sha256(f'\0{begin}"id":{log_id},{end}'.encode()).digest())
        if is_sqlite:
            own = (event, request, size, *self._writer, wseq, log_id, mac)
            expanded.rows.append((*self._stored, *own))
            return
        text = request if is_plain else copy_text(request)
        amount = "\\N" if size is None else size
        expanded.lines.append(
            f"{self._copied}\t{event_id}\t{text}\t{amount}\t{self._moment}{wseq}\t{log_id}\t{mac}\n"
        )


@process_cache
@lru_cache(_KINDS)
def kind_of(text: bytes) -> _Kind:
    """The template of a kind. Raises ValueError."""
    try:
        columns = msgspec.structs.asdict(_DECODER.decode(text))
    except msgspec.MsgspecError as error:
        raise ValueError("a kind has other columns than a row") from error
    version = 1 if columns[ACTOR_ID] is None else 2
    copied = "\t".join("\\N" if columns[name] is None else copy_text(columns[name]) for name in STATIC)
    stored = tuple(
        stored_uuid(columns[name]) if name in {"user_id", ACTOR_ID} else columns[name] for name in STATIC
    )
    return _Kind(columns, version, _pieces(columns, version), copied, stored)


def _pieces(columns: Mapping[str, Any], version: int) -> tuple[str, ...]:
    """Cut the canonical JSON where the columns of ``_VARYING`` are, in their order."""
    pieces, text = [], "{"
    for name in MAC_ORDERS[version]:
        if name not in _VARYING:
            value = version if name == _VERSION else columns[name]
            text += f'"{name}":{canonical.encode(value).decode()},'
            continue
        text += f'"{name}":'
        if name == "event_id":
            pieces, text = [text + '"'], ""
        elif name in {"timestamp", "writer"}:
            pieces, text = [*pieces, text + '"'], '",'
        elif name != "wseq":
            pieces, text = [*pieces, text], ","
        else:
            pieces.append(text)
    return tuple(pieces)


def columns_of(bundle: Bundle, body: Body) -> list[dict[str, Any]]:
    """The columns of each entry without id and MAC, spelled as in an entry. For readers of single entries."""
    return [
        {
            **kind_of(bytes(body.kinds[number])).columns,
            "event_id": f"{event[:8]}-{event[8:12]}-{event[12:16]}-{event[16:20]}-{event[20:]}",
            "request_id": request,
            "size": size,
            "timestamp": bundle.at,
            "writer": bundle.writer,
            "wseq": bundle.first + place,
        }
        for place, (number, event, request, size) in enumerate(body.entries)
    ]


_DECODER = msgspec.json.Decoder(_Columns)
