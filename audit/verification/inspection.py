"""Inspect one row of the log, using only its columns, and decide whether the application wrote it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from audit import actions
from audit.log import packed_rows
from audit.log.entries import entry_bytes, version_of, without_id
from audit.log.entry_mac import check_entry_mac
from audit.log.events import TRAIL_DIGESTS
from audit.log.packed_rows import COLUMNS
from audit.log.raw_rows import Values
from audit.sequencing.checkpoints.signing_keys import LINKED
from audit.tlog import merkle
from audit.verification.findings import FindingKind
from kernel.crypto.errors import MacMismatch

_ACTION = COLUMNS.index("action")
_META = COLUMNS.index("meta")


@dataclass(frozen=True, slots=True)
class Inspection:
    """``leaf`` is None, and ``octets``, which it hashes, are empty if the columns have no canonical form. The
    application never writes such a row.

    ``digests`` are those of the changed rows, ``tails`` the last numbers of writers in a heartbeat, ``published`` the
    vkeys that the entry publishes, and ``signatures`` those over them, by the name of the key. ``links_checkpoints``:
    every checkpoint after such an entry has a link.
    """

    leaf: bytes | None
    is_authentic: bool
    octets: bytes = field(default=b"", repr=False)
    digests: tuple[str, ...] = ()
    tails: tuple[tuple[str, int], ...] = ()
    published: tuple[str, ...] = ()
    signatures: Mapping[str, str] = field(default_factory=dict)
    links_checkpoints: bool = False


def inspect_row(row: Values) -> list[tuple[Values, Inspection]]:
    """The columns ``COLUMNS`` of each entry of a row (``ROW_COLUMNS``, spelled), with their inspection.

    One entry without a leaf, if the row is malformed. Raises what ``inspect`` raises.
    """
    values = row[: len(COLUMNS)]
    if not packed_rows.is_packed(row):
        return [(values, inspect(values))]
    try:
        packed = [
            (values, entry_bytes(dict(zip(COLUMNS, values, strict=True))))
            for values in packed_rows.unpack(row)
        ]
        packed_rows.check_mac(row)
    except MacMismatch:
        is_authentic = False
    except (TypeError, ValueError):
        return [(values, Inspection(leaf=None, is_authentic=False))]
    else:
        is_authentic = True
    return [(values, Inspection(merkle.leaf_hash(octets), is_authentic, octets)) for values, octets in packed]


def inspect(values: Values) -> Inspection:
    """Inspect the columns ``COLUMNS`` of a row with one entry, spelled as ``audit.log.raw_rows`` spells them.

    Raises KekUnavailable and UnwrapFailed, because no MAC can be checked without the key.
    """
    row = dict(zip(COLUMNS, values, strict=True))
    try:
        octets = entry_bytes(row)
    except (TypeError, ValueError):
        return Inspection(leaf=None, is_authentic=False)
    leaf = merkle.leaf_hash(octets)
    try:
        check_entry_mac(without_id(octets, row["id"]), version_of(row), row["mac"])
    except MacMismatch:
        is_authentic = False
    else:
        is_authentic = True
    action, text = values[_ACTION], str(values[_META])
    if TRAIL_DIGESTS in text or action in _TELLING:
        return _with_meta(Inspection(leaf, is_authentic, octets), action, _meta(text))
    return Inspection(leaf, is_authentic, octets)


def inspect_waiting(columns: Mapping[str, Any]) -> tuple[Values, Inspection]:
    """The values of an entry in an authentic bundle, which has neither id nor MAC nor leaf, and their inspection."""
    values = tuple(columns.get(name) for name in COLUMNS)
    return values, _with_meta(Inspection(None, is_authentic=True), columns["action"], _meta(columns["meta"]))


_TELLING = (actions.WRITER_HEARTBEAT, actions.CHECKPOINT_KEY_PUBLISHED)


def _with_meta(inspection: Inspection, action: str, meta: Mapping[str, Any]) -> Inspection:
    tails: Mapping[str, Any] = {}
    published: list[Any] = []
    signatures: Mapping[str, Any] = {}
    if action == actions.WRITER_HEARTBEAT:
        tails = _mapping(meta.get("writers"))
    if action == actions.CHECKPOINT_KEY_PUBLISHED:
        published = _list(meta.get("vkeys"))
        signatures = _mapping(meta.get("signatures"))
    return replace(
        inspection,
        digests=tuple(map(str, _list(meta.get(TRAIL_DIGESTS)))),
        tails=tuple(tail for tail in tails.items() if _is_uuid(tail[0]) and isinstance(tail[1], int)),
        published=tuple(map(str, published)),
        signatures={name: str(signature) for name, signature in signatures.items()},
        links_checkpoints=bool(published) and meta.get(LINKED) is True,
    )


def _meta(text: str) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row."""

    kind: FindingKind
    text: str


def faults_of(inspection: Inspection, leaf: object) -> Iterator[Fault]:
    """The faults of a row, none if it is intact. ``leaf`` is its stored hash, or None if the row has no leaf."""
    if leaf is None:
        yield Fault(FindingKind.NOT_SEQUENCED, "the row has no leaf: the sequencer did not insert it")
        if not inspection.is_authentic:
            yield Fault(FindingKind.MAC_MISMATCH, "the row is not one that the application wrote")
    elif inspection.leaf != leaf and inspection.is_authentic:
        yield Fault(
            FindingKind.ENTRY_ALTERED, "the leaf, or the id of its row, was altered: the row's MAC holds"
        )
    elif inspection.leaf != leaf:
        yield Fault(FindingKind.ENTRY_ALTERED, "the row was altered: its columns are not those of the leaf")
    elif not inspection.is_authentic:
        yield Fault(
            FindingKind.MAC_MISMATCH, "the row's MAC does not hold: the application did not write it so"
        )
