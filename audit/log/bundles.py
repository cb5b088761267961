"""Bundles: the entries of one transaction in one row of ``audit_bundles``, with one MAC.

Writers insert bundles. The sequencer turns each entry into a row of ``audit_logs`` (``audit.sequencing.bundles.expanding``).
The body is JSON: ``kinds`` lists the distinct columns that entries share, and ``entries`` the rest of each entry:
``[kind, event id as 32 hexadecimal digits, request id, size]``. ``changes``, if there are any, lists those of protected
rows: ``[table, key, before, after]`` (``kernel.databases.changes``).

The MAC covers ``["at","writer",first,entries]`` and the body. A row's MAC covers a text that begins with ``{``, so
neither can be taken for the other.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from audit.log import canonical
from audit.log.canonical import format_timestamp
from audit.log.entries import ACTOR_ID, ENTRY_FIELDS
from audit.log.entry_mac import check_entry_mac, compute_entry_mac
from audit.log.events import META_LIMIT, TEXT_LIMITS, TRAIL_DIGESTS, Actor, Event, clean_mapping
from audit.log.personal_data import as_recorded
from audit.models.bundles import AuditBundle
from kernel.databases.changes import Change

_VERSION: Final = 1  # of the covered text
_KIND: Final = itemgetter(0)
_OWN: Final = {"id", "event_id", "request_id", "size", "timestamp", "writer", "wseq"}
# The seventh and the ninth octet of a random UUID contain its version (4) and its variant (10), in their upper bits.
_VERSION_4: Final = bytes(0x40 | octet & 0x0F for octet in range(256))
_VARIANT_10: Final = bytes(0x80 | octet & 0x3F for octet in range(256))
KIND_FIELDS: Final = tuple(sorted(name for name in ENTRY_FIELDS if name not in _OWN))


class Entry(msgspec.Struct, frozen=True):
    """An entry that has no number yet. ``kind`` is the canonical JSON of its columns ``KIND_FIELDS``."""

    kind: bytes
    event_id: str  # 32 hexadecimal digits
    request_id: str
    size: int | None


class Bundle(NamedTuple):
    """The columns of ``audit_bundles``. ``at`` is spelled as in an entry."""

    at: str
    writer: str
    first: int
    entries: int
    body: bytes
    mac: str

    @property
    def covered(self) -> bytes:
        """The bytes under the MAC."""
        return _covered_by_mac(self.at, self.writer, self.first, self.entries, self.body)


class Body(msgspec.Struct, frozen=True):
    """A decoded body. Each kind is left as bytes, because few different ones repeat all the time."""

    kinds: list[msgspec.Raw]
    entries: list[tuple[int, str, str, int | None]]
    changes: list[Change] = []  # msgspec copies it


def entry_of(
    event: Event, actor: Actor, *, event_id: str | None = None, digests: Sequence[str] = ()
) -> Entry:
    """The entry of an event. ``digests`` are those of the changed rows. Raises ValueError if it does not fit a row."""
    own_id = event_id or new_event_ids(1)[0]
    return Entry(kind_of(event, actor, digests), own_id, actor.request_id, event.size)


def bundle_of(
    entries: Sequence[Entry], *, at: datetime, writer: str, first: int, changes: Sequence[Change] = ()
) -> Bundle:
    """One bundle of these entries, sorted by their kinds, with its MAC. ``first`` is the number of the first of them."""
    kinds: dict[bytes, int] = {}
    numbered = [
        (kinds.setdefault(entry.kind, len(kinds)), entry.event_id, entry.request_id, entry.size)
        for entry in entries
    ]
    numbered.sort(key=_KIND)  # the sequencer packs consecutive entries of a kind into one row
    rest = b',"changes":%b' % _ENCODER.encode(changes) if changes else b""
    body = b'{"kinds":[%b],"entries":%b%b}' % (b",".join(kinds), _ENCODER.encode(numbered), rest)
    timestamp = format_timestamp(at)
    covered = _covered_by_mac(timestamp, writer, first, len(entries), body)
    return Bundle(timestamp, writer, first, len(entries), body, compute_entry_mac(covered, _VERSION))


def insert_bundle(bundle: Bundle) -> None:
    """Insert the bundle in the caller's transaction. Raises django.db.Error."""
    AuditBundle.objects.create(**bundle._asdict())  # noqa: CC3 - each bundle has its own MAC


def _covered_by_mac(at: str, writer: str, first: int, entries: int, body: bytes) -> bytes:
    """The bytes under the MAC of a bundle."""
    return f'["{at}","{writer}",{first},{entries}]'.encode() + body


def open_body(bundle: Bundle) -> Body:
    """The body of a bundle that the application wrote. Raises MacMismatch, and ValueError for an unreadable body."""
    check_entry_mac(bundle.covered, _VERSION, bundle.mac)
    try:
        body = _DECODER.decode(bundle.body)
    except msgspec.MsgspecError as error:
        raise ValueError("the body is no JSON of a bundle") from error
    if len(body.entries) != bundle.entries:
        raise ValueError("the body has another number of entries")
    return body


def new_event_ids(count: int) -> list[str]:
    """Random UUIDs (RFC 9562 section 5.4) as 32 hexadecimal digits. ``uuid`` creates objects first, and is slow."""
    octets = bytearray(os.urandom(16 * count))
    octets[6::16] = octets[6::16].translate(_VERSION_4)
    octets[8::16] = octets[8::16].translate(_VARIANT_10)
    digits = octets.hex()
    return [digits[start : start + 32] for start in range(0, 32 * count, 32)]


def kind_of(event: Event, actor: Actor, digests: Sequence[str] = ()) -> bytes:
    """The canonical JSON of the columns ``KIND_FIELDS``. Raises ValueError if the entry does not fit a row."""
    actor = as_recorded(actor)
    columns = {
        "action": event.action,
        ACTOR_ID: None if actor.actor_id is None else str(actor.actor_id),
        "actor_name": actor.actor_name,
        "actor_type": actor.actor_type,
        "auth_method": actor.auth_method,
        "client_ip": actor.client_ip,
        "code": event.code,
        "count": event.count,
        "meta": event.meta_text if not digests else _meta_with(event, digests),
        "object_id": event.object_id,
        "object_type": event.object_type,
        "object_version": event.object_version,
        "outcome": event.outcome,
        "source": actor.source,
        "token_id": actor.token_id,
        "user_agent": actor.user_agent,
        "user_id": None if actor.user_id is None else str(actor.user_id),
    }
    # The database would refuse such a row only when the sequencer inserts it.
    if event.count < 1 or any(
        len(text) > TEXT_LIMITS[name]
        for name, text in columns.items()
        if name in TEXT_LIMITS and isinstance(text, str)
    ):
        raise ValueError("the entry does not fit a row of the log")
    return canonical.encode_members(columns)


def _meta_with(event: Event, digests: Sequence[str]) -> str:
    text = canonical.encode(clean_mapping({**event.meta, TRAIL_DIGESTS: list(digests)}))
    if len(text) > META_LIMIT:
        raise ValueError("the changed rows are too many for one entry")
    return text.decode()


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Body)
