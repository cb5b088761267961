"""Packed rows: consecutive entries of one kind in one row of ``audit_logs``.

Only successful operations of one bundle are packed, at most ``MOST``, whose leaves are in one tile. A packed row has
``id``, ``event_id``, ``request_id`` and ``wseq`` of its first entry, their number in ``entries``, and their total ``size``.
``details`` has, for each entry, its own event id, request id and size. All other columns are equal.

``details`` begins with an octet, the spelling of the request ids: 1 without hyphens, 2 with them. Then come the request
ids and the event ids, 16 octets each, and the MessagePack array of the sizes.
"""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from audit.log.entries import ENTRY_FIELDS, entry_bytes
from audit.log.entry_mac import check_entry_mac, compute_entry_mac
from audit.log.raw_rows import Values
from audit.tlog.tiles import WIDTH

LEAST: Final = 2
MOST: Final = WIDTH
COLUMNS: Final = (*ENTRY_FIELDS, "mac")
ROW_COLUMNS: Final = (*COLUMNS, "entries", "details")
_MAC_VERSION: Final = 3
# A group for each spelling of a request id.
_SPELLINGS: Final = re.compile(
    r"([0-9a-f]{32})|([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
_PLAIN, _HYPHENATED = 1, 2
_ID_SIZE: Final = 16  # octets
_ID, _WSEQ, _EVENT, _REQUEST, _SIZE = (
    COLUMNS.index(name) for name in ("id", "wseq", "event_id", "request_id", "size")
)

type Details = Sequence[tuple[str, str, int | None]]
"""(event id as 32 hexadecimal digits, request id, size) of each entry."""


def spelling_of(request_id: str) -> int | None:
    """The number of the spelling, ``_PLAIN`` or ``_HYPHENATED``; None for a request id that no packed row can have."""
    found = _SPELLINGS.fullmatch(request_id)
    return None if found is None else found.lastindex


def encode_details(entries: Details) -> bytes:
    """The column ``details`` of entries whose request ids are spelled alike."""
    requests = "".join(request for _, request, _ in entries).replace("-", "")
    events = "".join(event for event, _, _ in entries)
    sizes = msgspec.msgpack.encode([size for _, _, size in entries])
    spelling = _HYPHENATED if "-" in entries[0][1] else _PLAIN
    return bytes([spelling]) + bytes.fromhex(requests + events) + sizes


def mac_of(first: bytes, entries: int, details: bytes) -> str:
    """The MAC of a packed row. ``first`` are the ``entry_bytes`` of its columns."""
    return compute_entry_mac(_covered(first, entries, details), _MAC_VERSION)


def check_mac(row: Values) -> None:
    """Raises MacMismatch, TypeError and ValueError unless the application wrote this packed row (``ROW_COLUMNS``)."""
    columns = dict(zip(ROW_COLUMNS, row, strict=True))
    covered = _covered(entry_bytes(columns), columns["entries"], bytes(columns["details"]))
    check_entry_mac(covered, _MAC_VERSION, columns["mac"])


def _covered(first: bytes, entries: int, details: bytes) -> bytes:
    # It begins with "(". The text of a row begins with "{", that of a bundle with "[".
    return b"(%b,%d)%b" % (first, entries, details)


def is_packed(row: Values) -> bool:
    """Whether a row (``ROW_COLUMNS``) has several entries, or is malformed as if it had."""
    *_, entries, details = row
    return entries is not None or details is not None


def unpack(row: Values) -> list[Values]:
    """The columns ``COLUMNS`` of each entry of a packed row (``ROW_COLUMNS``, spelled). Raises ValueError if it is
    malformed.
    """
    *shared, entries, details = row
    found = []
    for place, own in enumerate(_decode_details(entries, details)):
        columns = shared.copy()
        columns[_ID], columns[_WSEQ] = _plus(shared[_ID], place), _plus(shared[_WSEQ], place)
        columns[_EVENT], columns[_REQUEST], columns[_SIZE] = own
        found.append(tuple(columns))
    return found


def unpack_any(row: Values) -> list[Values]:
    """Like ``unpack``, for any row. A malformed one is one entry."""
    try:
        return unpack(row) if is_packed(row) else [row[: len(COLUMNS)]]
    except ValueError:
        return [row[: len(COLUMNS)]]


def _plus(number: object, place: int) -> int:
    if not isinstance(number, int):
        raise ValueError("a packed row has numbers")  # noqa: TRY004 - one error for every malformed row
    return number + place


def _decode_details(entries: object, details: object) -> list[tuple[str, str, int | None]]:
    if not isinstance(entries, int) or not LEAST <= entries <= MOST:
        raise ValueError("a packed row has another number of entries")
    if not isinstance(details, bytes | memoryview):
        raise ValueError("a packed row has details")  # noqa: TRY004 - see above
    octets, end = bytes(details), 1 + 2 * entries * _ID_SIZE
    ids = [octets[begin : begin + _ID_SIZE] for begin in range(1, end, _ID_SIZE)]
    try:
        sizes = _SIZES.decode(octets[end:])
        found = [UUID(bytes=each) for each in ids]
    except msgspec.MsgspecError as error:
        raise ValueError("the details have no sizes") from error
    if len(sizes) != entries or octets[0] not in {_PLAIN, _HYPHENATED}:
        raise ValueError("the details have another number of entries")
    requests = [str(each) if octets[0] == _HYPHENATED else each.hex for each in found[:entries]]
    return list(zip(map(str, found[entries:]), requests, sizes, strict=True))


_SIZES = msgspec.msgpack.Decoder(list[int | None])
