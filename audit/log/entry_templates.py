"""Entries of an event that one actor repeats: everything but six columns is prepared once."""

from collections.abc import Mapping
from typing import Final

import msgspec

from audit.log import canonical
from audit.log.entries import ACTOR_ID, MAC_ORDERS
from audit.log.entry_mac import compute_entry_mac
from audit.log.entry_rows import COLUMNS, Parameters, Value, columns_of, parameter
from audit.log.events import Actor, Event

_VARYING: Final = ("event_id", "request_id", "size", "timestamp", "writer", "wseq")
_EVENT_ID, _REQUEST_ID, _SIZE, _TIMESTAMP, _WRITER, _WSEQ, _MAC = (
    COLUMNS.index(name) for name in (*_VARYING, "mac")
)
_encode = msgspec.json.Encoder().encode


class EntryTemplate:
    """``event`` is without a size, and ``actor`` without a request id: both belong to one entry."""

    __slots__ = ("_parameters", "_pieces", "_version")

    def __init__(self, event: Event, actor: Actor) -> None:
        columns = columns_of(event, actor)
        self._version = 1 if columns[ACTOR_ID] is None else 2
        self._pieces = _pieces_of(columns, self._version)
        self._parameters = [parameter(columns.get(name)) for name in COLUMNS]

    def row(
        self, event_id: str, request_id: str, size: int | None, *, at: str, writer: str, wseq: int
    ) -> Parameters:
        """The parameters of the entry's row, with its MAC."""
        to_event, to_request, to_size, to_time, to_writer, to_wseq, end = self._pieces
        covered = (
            f'{to_event}"{event_id}"{to_request}{_encode(request_id).decode()}{to_size}'
            f'{"null" if size is None else size}{to_time}"{at}"{to_writer}"{writer}"{to_wseq}{wseq}{end}'
        )
        row = self._parameters.copy()
        row[_EVENT_ID], row[_REQUEST_ID], row[_SIZE] = event_id.encode(), request_id.encode(), parameter(size)
        row[_TIMESTAMP], row[_WRITER], row[_WSEQ] = at.encode(), writer.encode(), b"%d" % wseq
        row[_MAC] = compute_entry_mac(covered.encode(), self._version).encode()
        return row


def _pieces_of(columns: Mapping[str, Value], version: int) -> list[str]:
    """The canonical JSON of the entry before, between and after the varying values."""
    pieces, text = [], "{"
    for name in MAC_ORDERS[version]:
        comma = "" if text == "{" else ","
        value = version if name == "version" else columns.get(name)
        text += f'{comma}"{name}":'
        if name in _VARYING:
            pieces.append(text)
            text = ""
        else:
            text += canonical.encode(value).decode()
    return [*pieces, text + "}"]
