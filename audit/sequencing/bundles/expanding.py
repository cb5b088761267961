"""Expand bundles into rows of the log: the columns, the MAC and the leaf of each entry.

It runs for every entry, so everything that entries share is computed once for each kind: the pieces of the canonical
JSON between the columns that differ, and the columns as the database takes them.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from audit.log import canonical, packed_rows
from audit.log.bundles import Body, Bundle
from audit.log.entries import ACTOR_ID, MAC_ORDERS
from audit.log.entry_mac import entry_maker
from audit.log.entry_rows import STATIC, copy_text, stored_timestamp, stored_uuid
from audit.log.operations import has_only_succeeded
from audit.log.packed_rows import Details, encode_details, mac_of, spelling_of
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
    is_packable: bool


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


def expand(
    bundle: Bundle, body: Body, log_id: int, expanded: Expanded, *, id_shift: int, is_sqlite: bool
) -> None:
    """Add the rows of a bundle. ``log_id`` is the id of its first entry. Raises ValueError for an unreadable kind."""
    kinds = [kind_of(bytes(raw)) for raw in body.kinds]
    usage = [Usage(kind, bundle.at) for kind in kinds]
    shared = [_Shared(kind, bundle) for kind in kinds]
    wseq = bundle.first
    for number, run in _runs(body, kinds, log_id - 1 - id_shift):
        used = usage[number]
        used.entries += len(run)
        used.size += sum([size or 0 for _, _, size in run])
        shared[number].add(expanded, run, log_id, wseq, is_sqlite=is_sqlite)
        log_id += len(run)
        wseq += len(run)
    expanded.usage += usage


def _runs(body: Body, kinds: Sequence[_Kind], index: int) -> Iterator[tuple[int, Details]]:
    """The number of the kind, and the entries of each row. ``index`` is that of the first leaf."""
    run: list[tuple[str, str, int | None]] = []
    last = (0, 0)
    packable = [kind.is_packable for kind in kinds]
    for number, event, request, size in body.entries:
        # No spelling: the entry has a row of its own.
        own = (number, (packable[number] and spelling_of(request)) or 0)
        if run and (own != last or not own[1] or index % packed_rows.MOST == 0):
            yield last[0], run
            run = []
        last = own
        run.append((event, request, size))
        index += 1
    if run:
        yield last[0], run


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

    def add(self, expanded: Expanded, run: Details, log_id: int, wseq: int, *, is_sqlite: bool) -> None:
        """Add the row of these entries, and their leaves."""
        event, request, size = run[0]
        if len(run) == 1:
            begin, end = self._texts(run[0], wseq)
            expanded.leaves.append(hashlib.sha256(f'\0{begin}"id":{log_id},{end}'.encode()).digest())
            mac, entries, details = self._mac((begin + end).encode()), None, None
        else:
            expanded.leaves += self._leaves(run, log_id, wseq)
            size, entries, details = sum([own or 0 for _, _, own in run]), len(run), encode_details(run)
            begin, end = self._texts((event, request, size), wseq)
            mac = mac_of(f'{begin}"id":{log_id},{end}'.encode(), entries, details)
        if is_sqlite:
            expanded.rows.append(
                (*self._stored, event, request, size, *self._writer, wseq, log_id, mac, entries, details)
            )
        else:
            amount, own = "\\N" if size is None else size, "\\N\t\\N"
            if details is not None:
                own = f"{entries}\t\\\\x{details.hex()}"
            expanded.lines.append(
                f"{self._copied}\t{_dashed(event)}\t{copy_text(request)}\t{amount}\t{self._moment}{wseq}\t{log_id}\t{mac}\t{own}\n"
            )

    def _leaves(self, run: Details, log_id: int, wseq: int) -> list[bytes]:
        """The leaves of a packed row, whose request ids need no escape. The same texts as those of ``_texts``."""
        front, middle, (after_request, after_size) = self._front, self._middle, self._end
        sha256 = hashlib.sha256
        difference = wseq - log_id
        return [
            sha256(
                f'\0{front}{event[:8]}-{event[8:12]}-{event[12:16]}-{event[16:20]}-{event[20:]}","id":{number},{middle}'
                f'"{request}"{after_request}{"null" if size is None else size}{after_size}{number + difference}}}'.encode()
            ).digest()
            for number, (event, request, size) in enumerate(run, log_id)
        ]

    def _texts(self, entry: tuple[str, str, int | None], wseq: int) -> tuple[str, str]:
        """The canonical JSON of the entry, before and after its id."""
        event, request, size = entry
        after_request, after_size = self._end
        spelled = f'"{request}"' if _PLAIN.fullmatch(request) else canonical.encode(request).decode()
        number = "null" if size is None else size
        return (
            f'{self._front}{_dashed(event)}",',
            f"{self._middle}{spelled}{after_request}{number}{after_size}{wseq}}}",
        )


def _dashed(event_id: str) -> str:
    return f"{event_id[:8]}-{event_id[8:12]}-{event_id[12:16]}-{event_id[16:20]}-{event_id[20:]}"


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
    is_packable = has_only_succeeded(columns["action"], columns["outcome"], columns["meta"])
    return _Kind(columns, version, _pieces(columns, version), copied, stored, is_packable)


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
            "event_id": _dashed(event),
            "request_id": request,
            "size": size,
            "timestamp": bundle.at,
            "writer": bundle.writer,
            "wseq": bundle.first + place,
        }
        for place, (number, event, request, size) in enumerate(body.entries)
    ]


_DECODER = msgspec.json.Decoder(_Columns)
