"""The background task of an export: it reads the log in one snapshot, writes the file, and returns its metadata.

``audit.apps`` registers it for the workers. A file is valid once the row names its attempt, which is when the job
succeeds. Every other file in the folder is a leftover.
"""

import heapq
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched

from django.conf import settings
from msgspec.structs import replace

from audit import actions
from audit.archive.entries import ArchivedEntry, matching_entries, segments_with_matches
from audit.browse.filters import criteria_of
from audit.browse.matching import Matcher
from audit.errors import ExportNotWritten
from audit.exports import files
from audit.exports.formats import FILE_TYPES, ROW_FORMATS, ExportFormat
from audit.exports.tiles import export_log
from audit.log.events import Actor, Source
from audit.models import AuditExport, AuditSegment
from audit.sequencing import tree
from audit.sequencing.alarms import Alarm
from audit.sequencing.catching_up import catch_up
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.services.alarms import raise_alarms
from audit.services.exports import event_of
from audit.services.jobs import record_end
from audit.services.reading import find_logs
from audit.services.showing import alarm_of
from audit.tlog.checkpoint import CheckpointInvalid, open_note
from audit.verification import integrity
from audit.verification.integrity import FoundEntry
from kernel.clock import database_now
from kernel.crypto.encoding import encode_base64
from kernel.databases.transactions import one_snapshot
from kernel.identities import Identity
from kernel.jobs.files import HashedFile
from kernel.jobs.job import Status
from kernel.jobs.progress import Progress
from kernel.rules import PermissionScope
from kernel.trust.row_mac import IntegrityFailed

KIND = "audit_export"
BATCH = 1_000  # rows between two checks whether to continue
_MOST_ALARMS = 1_000  # per export; the others are counted

type _Columns = Mapping[str, object]
type _Entry = FoundEntry | ArchivedEntry


@dataclass(frozen=True, slots=True)
class _Requester:
    """The identity that requested the export, with the scope it had then."""

    identity: Identity
    reach: PermissionScope

    def scope(self, _word: str) -> PermissionScope:
        return self.reach


@dataclass(slots=True)
class _Altered:
    """The altered entries of a file: their number, and alarms about the first of them."""

    count: int = 0
    alarms: list[Alarm] = field(default_factory=list)

    def add(self, entries: Iterable[_Entry]) -> None:
        altered = [entry for entry in entries if isinstance(entry, FoundEntry) and entry.faults]
        self.count += len(altered)
        self.alarms += map(alarm_of, altered[: _MOST_ALARMS - len(self.alarms)])


def run(export: AuditExport, progress: Progress) -> _Columns:
    """Write the file. Returns the columns of the result.

    Raises ExportNotWritten if the folder does not accept the file, IntegrityFailed if an entry of the tiles or the
    newest checkpoint is invalid, Conflict for tiles before the first checkpoint, and what ``progress`` raises.
    Nothing of the file remains after an error.
    """
    catch_up()
    attempt = secrets.token_hex(8)
    path = files.FOLDER.path_of(export.id, attempt, FILE_TYPES[export.format].extension)
    try:
        with files.FOLDER.new_file(path) as file:
            write = _write_tiles if export.format == ExportFormat.TILES else _write_entries
            facts = write(export, file, progress)
    except OSError as error:
        raise ExportNotWritten from error
    expires_at = database_now() + timedelta(hours=settings.CC_EXPORT_HOURS)
    written = {"attempt": attempt, "size": file.size, "sha256": file.sha256, "expires_at": expires_at}
    return {**written, **facts}


def ended(export: AuditExport) -> None:
    """Record how the job ended."""
    # Done for the requester, who may no longer exist.
    actor = replace(Actor(**export.actor_facts), source=Source.SCHEDULER)
    meta = {"format": export.format}
    result = {name: getattr(export, name) for name in ("rows", "altered", "sha256", "checkpoint_size")}
    record_end(
        export,
        actor,
        finished=event_of(export, actions.EXPORT_FINISHED, size=export.size, meta=meta | result),
        failed=event_of(export, actions.EXPORT_FAILED, meta=meta),
    )


def delete_expired_results() -> None:
    """Remove expired files, and leftovers of unfinished ones. Raises OSError."""
    found = files.FOLDER.names()
    # Read after the folder, so that the rows include every job that succeeded in between.
    running = AuditExport.objects.filter(status=Status.RUNNING.value)
    results = AuditExport.objects.filter(expires_at__gt=database_now())
    kept = {(str(job_id), attempt) for job_id, attempt in results.values_list("id", "attempt")}
    busy = {str(job_id) for job_id in running.values_list("id", flat=True)}
    files.FOLDER.remove([name for name in found if not _is_needed(name, kept, busy)])


def _write_entries(export: AuditExport, file: HashedFile, progress: Progress) -> _Columns:
    """Write one line per entry, ordered by id."""
    altered = _Altered()
    with one_snapshot():
        rows = _write_lines(export, file, progress, altered)
        facts = _checkpoint()
    raise_alarms(altered.alarms)  # outside the snapshot, which is read-only
    return {"rows": rows, "altered": altered.count, **facts}


def _write_lines(export: AuditExport, file: HashedFile, progress: Progress, altered: _Altered) -> int:
    requester = _Requester(export.requester, "own" if export.is_of_own_acts else "all")
    form = ROW_FORMATS[export.format]
    criteria, names = criteria_of(export.filters), export.names or {}
    found = find_logs(reader=requester, criteria=criteria, names=names).order_by("id")
    matcher = Matcher(criteria, names, export.requester if export.is_of_own_acts else None)
    segments = segments_with_matches(matcher)
    done, total = 0, found.count_entries() + len(segments) * AuditSegment.ENTRIES
    file.write(form.header)
    with closing(integrity.stream_entries(found)) as entries:
        stored = (
            entry
            for entry in entries
            if not (criteria.divides_rows and entry.row.is_packed) or matcher.matches(entry.columns)
        )
        archived = matching_entries(segments, matcher, lambda: progress(done, total))
        merged: Iterable[_Entry] = heapq.merge(stored, archived, key=lambda entry: entry.log_id)
        for batch in batched(_once(merged), BATCH):
            progress(done, total)
            file.write(b"".join(map(form.line, batch)))
            altered.add(batch)
            done += len(batch)
    progress(done, done)
    return done


def _once(entries: Iterable[_Entry]) -> Iterator[_Entry]:
    """Without archived entries that the database has, too: their rows are being removed, or someone put one back.

    An altered row does not replace the archived entry.
    """
    stored: int | None = None
    for entry in entries:  # of two with one id, the stored one comes first
        if isinstance(entry, FoundEntry):
            stored = None if entry.faults else entry.log_id
        if isinstance(entry, FoundEntry) or entry.log_id != stored:
            yield entry


def _write_tiles(export: AuditExport, file: HashedFile, progress: Progress) -> _Columns:
    """The folder that ``export_audit_log`` writes, packed into one file."""
    with files.FOLDER.temporary_folder(export.id) as folder:
        summary = export_log(folder, progress)
        files.pack(folder, file, lambda: progress(summary.size, summary.size))
        keys = (folder / "keys").read_text().splitlines()
    root = encode_base64(summary.root)
    return {"rows": summary.size, "checkpoint_size": summary.size, "checkpoint_root": root, "vkeys": keys}


def _checkpoint() -> _Columns:
    """The newest checkpoint, verified, and the keys that verify it. Raises IntegrityFailed."""
    keys = trusted_keys()
    columns: dict[str, object] = {"vkeys": [key.vkey for key in keys]}
    newest = tree.latest_checkpoint()
    if newest is None:
        return columns
    try:
        checkpoint = open_note(newest.note, keys)
    except CheckpointInvalid as error:
        raise IntegrityFailed(tree.ALTERED) from error
    root = encode_base64(checkpoint.root)
    return {**columns, "checkpoint_size": checkpoint.size, "checkpoint_root": root}


def _is_needed(name: str, kept: Collection[tuple[str, str]], busy: Collection[str]) -> bool:
    job_id, _, rest = name.partition(".")
    return job_id in busy or (job_id, rest.partition(".")[0]) in kept
