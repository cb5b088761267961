"""Archive old segments: write each to a file, read it back, record it, and remove the rows of its successful operations.

A process can be killed at any moment. The next run adopts a file with the same content, and finishes a removal.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from django.conf import settings

from audit import actions
from audit.archive import removing
from audit.archive.contents import encode_kept, encode_removed
from audit.archive.places import MOST_FILE_BYTES, Place, StoredFile, configured_place
from audit.archive.reading import read_file
from audit.archive.segments import Segment, name_of
from audit.log.entries import ENTRY_FIELDS
from audit.log.events import Actor, Event, Source
from audit.log.lines import entry_line, incomplete, stored_entries, trail_lines
from audit.log.raw_rows import CHUNK, Spelled, Values, reading, timestamp_of
from audit.models import AuditCheckpoint, AuditLog, AuditSegment, LogTarget
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.eras import Eras
from audit.sequencing.leadership import leading
from audit.sequencing.tree import ALTERED, database_reader, latest_checkpoint
from audit.services.alarms import raise_alarms
from audit.services.proofs import opened
from audit.services.recording import record
from audit.tlog import merkle
from audit.tlog.checkpoint import Checkpoint, open_note
from audit.tlog.proof import format_proof, parse_proof
from kernel.clock import database_now
from kernel.crypto.encoding import encode_base64
from kernel.errors import Conflict
from kernel.trust.row_mac import IntegrityFailed

_TIMESTAMP = ENTRY_FIELDS.index("timestamp")

_SCHEDULER = Actor.system("archive", Source.SCHEDULER)
_EXPECTED = "what was written or signed before"

type IsStopping = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Read:
    """A segment as stored in the database. ``rows`` have the columns ``ENTRY_FIELDS``, spelled, and ``timestamps``."""

    content: Segment
    first_id: int
    rows: Sequence[Values]
    timestamps: Sequence[datetime]


def archive_log(
    *, before: datetime, actor: Actor, most: int | None = None, is_stopping: IsStopping = lambda: False
) -> list[AuditSegment]:
    """Archive the whole, signed segments with entries older than ``before`` only, oldest first. Returns them.

    It ends at a segment that an enabled log target does not have yet (``awaited_target``).

    ``most`` limits the number of segments. Removals that were interrupted are finished first. Raises Conflict without a
    place, and if its file of a segment has other content, Unavailable if the place cannot be used or its newest file
    cannot be read, IntegrityFailed if stored data does not match the signed tree, OSError and django.db.Error.
    """
    place = configured_place()
    removing.finish_removals(is_stopping)
    archived: list[AuditSegment] = []
    while len(archived) != most and not is_stopping() and (read := _read(before)):
        if not archived:
            _require_same_place()
        if not (segment := _record(_segment_of(read, _store(place, read.content)), read.content, actor)):
            break
        archived.append(segment)
        removing.remove_rows(segment, is_stopping)
    return archived


def archive_due_segment() -> None:
    """For the schedule: archive one segment that is older than ``CC_AUDIT_ARCHIVE_DAYS``, if there is one.

    Raises what ``archive_log`` raises. Altered entries raise an alarm.
    """
    if not settings.CC_AUDIT_ARCHIVE_DAYS:
        return
    before = database_now() - timedelta(days=settings.CC_AUDIT_ARCHIVE_DAYS)
    try:
        archive_log(before=before, actor=_SCHEDULER, most=1)
    except IntegrityFailed as error:
        raise_alarms([Alarm(kind=AlarmKind.INTEGRITY_FAILED, expected=_EXPECTED, found=error.detail)])
        raise


def _require_same_place() -> None:
    """Read the newest file. Raises SegmentUnreadable and IntegrityFailed: the disk may be another one, or not mounted."""
    if newest := AuditSegment.objects.order_by("-number").first():
        read_file(newest)


def _next_number() -> int:
    """The segment after the archived ones. Entries of the first era stay in the database."""
    newest = AuditSegment.objects.order_by("-number").first()
    return (
        -(-Eras.read().old_size // AuditSegment.ENTRIES) if newest is None else newest.check_mac().number + 1
    )


def awaited_target(before: datetime) -> LogTarget | None:
    """The log target that the next segment waits for, if everything else permits to archive it."""
    with reading():
        due = _due(before)
        return None if due is None else _target_behind(due[0])


def _due(before: datetime) -> tuple[int, AuditCheckpoint] | None:
    """The number of the next segment, if it is whole, signed and older, and the newest checkpoint."""
    number, newest = _next_number(), latest_checkpoint()
    end = (number + 1) * AuditSegment.ENTRIES
    if newest is None or end > newest.size or not _is_older(Eras.read().id_of(end - 1), before):
        return None
    return number, newest


def _target_behind(number: int) -> LogTarget | None:
    """An enabled log target that does not have the whole segment yet, also one that is stopped."""
    behind = LogTarget.objects.filter(is_enabled=True, size__lt=(number + 1) * AuditSegment.ENTRIES)
    return behind.order_by("size").first()


def _read(before: datetime) -> _Read | None:
    """The next segment, verified; None if it is not due, an entry is not older, or a log target lacks an entry."""
    with reading():  # with the number, because another process may record this segment and remove its rows
        due = _due(before)
        if due is None or _target_behind(due[0]):
            return None
        number, newest = due
        first = number * AuditSegment.ENTRIES
        first_id = Eras.read().id_of(first)
        head = opened(newest)
        rows, entries, changed = _read_lines(first_id, first)
        proof = merkle.inclusion_proof(first, head.size, database_reader())
    content = Segment(number, format_proof(first, proof, newest.note), entries, changed)
    _require_in_tree(content, head, proof)
    if not content.has_named_rows:
        raise incomplete(f"a changed row of the segment {number}")
    timestamps = [timestamp for row in rows if (timestamp := timestamp_of(row[_TIMESTAMP]))]
    return _Read(content, first_id, rows, timestamps) if max(timestamps) < before else None


def _is_older(log_id: int, before: datetime) -> bool:
    last = AuditLog.objects.with_entry(log_id)  # noqa: CC2 - the time of an entry
    timestamp = timestamp_of(last.values_list(Spelled("timestamp"), flat=True).first())
    # None: an altered time, which the comparison with the tree reports.
    return timestamp is None or timestamp < before


def _read_lines(first_id: int, first: int) -> tuple[list[Values], list[bytes], list[bytes]]:
    """The columns of the entries, and the lines of the entries and of their changed rows."""
    rows = list(stored_entries(first_id, first_id + AuditSegment.ENTRIES - 1))
    if len(rows) != AuditSegment.ENTRIES:
        raise incomplete(f"an entry between the indices {first} and {first + AuditSegment.ENTRIES - 1}")
    entries = [entry_line(row, first + place) for place, row in enumerate(rows)]
    return rows, entries, [line for some in batched(rows, CHUNK) for line in trail_lines(some)]


def _require_in_tree(segment: Segment, head: Checkpoint, proof: Sequence[bytes]) -> None:
    """Verify the proof of the first entry, and the root of the segment with its hashes above. Raises IntegrityFailed."""
    height = AuditSegment.ENTRIES.bit_length() - 1
    segments, leaf = -(-head.size // AuditSegment.ENTRIES), merkle.leaf_hash(segment.entries[0])
    try:
        merkle.verify_inclusion(segment.root, segment.number, segments, proof[height:], head.root)
        merkle.verify_inclusion(leaf, segment.number * AuditSegment.ENTRIES, head.size, proof, head.root)
    except ValueError as error:
        raise IntegrityFailed(ALTERED) from error


def _store(place: Place, segment: Segment) -> StoredFile:
    """Write the file and read it back, or adopt one with the same content. Raises Conflict if it is too large."""
    name, octets = name_of(segment.number), _encoded(segment)
    try:
        version_id = place.add(name, octets)
    except FileExistsError:
        return _adopt(place, name, segment)
    if place.read(name, version_id).content != octets:
        raise Conflict(
            f"The file {name} of the archive does not have the bytes that were written. Check its storage."
        )
    return StoredFile(octets, version_id)


def _encoded(segment: Segment) -> bytes:
    try:
        octets = segment.encode()
    except ValueError as error:
        raise Conflict(
            f"Segment {segment.number} is too large: {error}. Its entries stay in the database."
        ) from error
    if len(octets) > MOST_FILE_BYTES:
        raise Conflict(
            f"The file of segment {segment.number} is too large. Its entries stay in the database."
        )
    return octets


def _adopt(place: Place, name: str, segment: Segment) -> StoredFile:
    """The file of an earlier run. Its checkpoint may even be of a later log, before an older backup was restored."""
    stored, keys = place.read(name), trusted_keys()
    try:
        found = segment.with_proof_of(stored.content)
        proof, note = parse_proof(found.proof, segment.number * AuditSegment.ENTRIES)
        _require_in_tree(found, open_note(note, keys), proof)
    except (ValueError, IntegrityFailed) as error:
        raise Conflict(
            f"The archive has another file {name}, or one with a checkpoint of other keys. "
            "Move it away, or choose another place."
        ) from error
    return stored


def _segment_of(read: _Read, stored: StoredFile) -> AuditSegment:
    kept = removing.places_to_keep(read.rows)
    return AuditSegment(
        number=read.content.number,
        first_id=read.first_id,
        last_id=read.first_id + AuditSegment.ENTRIES - 1,
        first_at=min(read.timestamps),
        last_at=max(read.timestamps),
        kept=encode_kept(kept),
        removed=encode_removed(removing.numbers_without(read.rows, kept)),
        sha256=hashlib.sha256(stored.content).hexdigest(),
        size=len(stored.content),
        version_id=stored.version_id,
    )


def _record(segment: AuditSegment, content: Segment, actor: Actor) -> AuditSegment | None:
    """The segment, recorded in the log; None if another process archived it meanwhile."""
    meta = {
        "first_id": segment.first_id,
        "last_id": segment.last_id,
        "root": encode_base64(content.root),
        "sha256": segment.sha256,
    }
    with leading(waits=True):
        if AuditSegment.objects.filter(number=segment.number).exists():
            return None
        segment.archived_at = database_now()
        segment.save_with_mac()
        event = Event(
            action=actions.SEGMENT_ARCHIVED,
            object_type="audit_segment",
            object_id=str(segment.number),
            size=segment.size,
            meta=meta,
        )
        record(event, actor, at=segment.archived_at)
    return segment
