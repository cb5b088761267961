"""The next entries of a log target, as messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.forwarding.events.formats import FORMATS
from audit.forwarding.events.severities import severity_of
from audit.forwarding.messages import Message
from audit.forwarding.positions import root_at
from audit.forwarding.reading import ReadEntry, entries_after
from audit.log import canonical
from audit.log.canonical import JsonValue, format_timestamp
from audit.log.events import META_LIMIT
from audit.models import LogTarget
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.eras import Eras
from audit.sequencing.tree import database_reader, latest_checkpoint, read_tree
from audit.services.proofs import opened
from audit.services.showing import alarm_of
from audit.tlog import merkle
from audit.verification.inspection import Inspection
from audit.verification.integrity import FoundEntry
from kernel.clock import process_now
from kernel.crypto.encoding import encode_base64

MOST_ENTRIES: Final = 1_000
MOST_BYTES: Final = 2**20  # of the entries of a batch, unless the first one has more


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of the leaves from the position of the target to ``size``, where the tree has ``root`` (base64).

    There are none if the target wants none of these entries. ``alarms`` are those about altered and missing entries.
    """

    size: int
    root: str
    messages: Sequence[Message]
    alarms: Sequence[Alarm]


def next_batch(target: LogTarget, most: int = MOST_ENTRIES) -> Batch | None:
    """At most ``most`` entries; None if there is no new one. Of a verifiable target, only signed entries.

    Raises IntegrityFailed, SegmentUnreadable, ValueError if a tile is missing, and django.db.Error.
    """
    newest = latest_checkpoint() if target.is_verifiable else None
    limit = opened(newest).size if newest else 0 if target.is_verifiable else read_tree().size
    count = min(most, limit - target.size)
    if count <= 0:
        return None
    end = target.size + count
    found, end = _within_bytes(entries_after(target.size, count), end)
    messages = [
        message_of(target, entry)
        for _, entry in found
        if target.wants(entry.columns["action"], entry.columns["outcome"])
    ]
    if newest is not None:
        messages.append(_checkpoint(newest.note, target.size, end, limit))
    alarms = [alarm_of(entry) for _, entry in found if isinstance(entry, FoundEntry) and entry.faults]
    alarms += _alarms_of_missing(range(target.size, end), {index for index, _ in found})
    return Batch(end, root_at(end), messages, alarms)


def message_of(target: LogTarget, entry: ReadEntry) -> Message:
    columns = entry.columns
    timestamp, event_id = str(columns["timestamp"]), str(columns["event_id"])
    if isinstance(entry, FoundEntry) and entry.faults:
        # A receiver refuses a time far from the present, and takes an event with a known id for a repetition.
        entry, timestamp, event_id = _bounded(entry), format_timestamp(process_now()), ""
    severity = severity_of(str(columns["action"]), str(columns["outcome"]))
    return Message(FORMATS[target.format](entry), "entry", timestamp, event_id, severity)


def _bounded(entry: FoundEntry) -> FoundEntry:
    """An altered entry whose texts are no longer than those of entries: a receiver must not refuse its message."""
    values = tuple(value[:META_LIMIT] if isinstance(value, str | bytes) else value for value in entry.values)
    if values == entry.values:
        return entry
    return replace(entry, values=values, inspection=Inspection(leaf=None, is_authentic=False))


def _within_bytes(found: list[tuple[int, ReadEntry]], end: int) -> tuple[list[tuple[int, ReadEntry]], int]:
    """The entries that fit into ``MOST_BYTES``, and the index after them."""
    total = 0
    for place, (index, entry) in enumerate(found):
        total += len(entry.octets)
        if place and total > MOST_BYTES:
            return found[:place], index
    return found, end


def _checkpoint(note: str, first: int, end: int, size: int) -> Message:
    """The newest signed note, and the hashes that prove the entries of the batch with it (docs/log-targets.md)."""
    read = database_reader()
    line: dict[str, JsonValue] = {
        "checkpoint": note,
        "first": first,
        "entries": end - first,
        "before": [encode_base64(each) for each in merkle.covering_hashes(0, first, read)],
        "after": [encode_base64(each) for each in merkle.covering_hashes(end, size, read)],
    }
    return Message(canonical.encode(line), "checkpoint")


def _alarms_of_missing(indices: Sequence[int], found: set[int]) -> list[Alarm]:
    missing = [index for index in indices if index not in found]
    if not missing:
        return []
    eras = Eras.read()
    return [
        Alarm(
            kind=AlarmKind.ENTRY_ALTERED,
            log_id=eras.id_of(index) if index >= eras.old_size else None,
            expected=f"an entry at index {index}",
            found="no row",
        )
        for index in missing
    ]
