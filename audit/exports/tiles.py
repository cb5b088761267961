"""Export the signed part of the log as a folder of files, for verification elsewhere (C2SP tlog-tiles).

``checkpoint`` is the newest signed note, and ``checkpoints/<size>`` are the earlier ones. ``tile/<level>/<number>``
and ``tile/entries/<number>`` are the tree and the entries of exactly that size. ``trail.jsonl`` has the changed rows
that these entries name, one per line, in the bytes whose SHA-256 an entry contains. ``keys`` has the signing keys,
only for comparison with the reader's pinned keys. The export verifies nothing.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import batched, chain
from pathlib import Path
from typing import BinaryIO

from audit.archive.reading import archived_tile, read_segment
from audit.log.entries import ENTRY_FIELDS
from audit.log.lines import entry_line, incomplete, stored_entries, trail_lines
from audit.log.raw_rows import ReportProgress, Values, reading, rows_of, spelled
from audit.models import AuditLog, AuditSegment
from audit.sequencing.checkpoints.signing_keys import origin
from audit.services.witnessed import cosignature_lines
from audit.tlog import tiles
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid
from audit.tlog.merkle import HASH_SIZE
from audit.verification.growing import stored_tile
from audit.verification.keys import StoredKeys
from audit.verification.leaves import read_eras
from kernel.errors import Conflict
from kernel.home import new_folder

README = """\
The audit log of {origin}, its first {size} entries. To verify it with a public key that you saved earlier:
  ccverify verify-export . --key VKEY --checkpoint EARLIER   (a key and a checkpoint that you kept elsewhere)
"""
_ENTRIES_AT_ONCE = 4 * tiles.WIDTH
_CHECKPOINTS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _ExportSummary:
    """The result: ``size`` entries with the root ``root``, ``rows`` changed rows, the note ``checkpoint``."""

    size: int
    root: bytes
    rows: int
    checkpoint: str


def export_log(folder: Path, progress: ReportProgress = lambda _done, _total: None) -> _ExportSummary:
    """Write the log up to its newest checkpoint, completely or not at all. The folder is 0700, its files 0600.

    Raises Conflict if the folder is not empty or nothing is signed yet, IntegrityFailed if data is missing or malformed
    (``verify_audit_log`` gives details), SegmentUnreadable, TransactionManagementError inside a transaction, OSError,
    django.db.Error, and the errors of ``progress``.
    """
    with new_folder(folder) as unfinished, reading():
        head, note = _newest_note()
        target = _Folder(unfinished)
        _write_notes(target, head, note)
        _write_tiles(target, head.size)
        with target.new("trail.jsonl") as trail:
            rows = _write_entries(target, trail, head.size, progress)
    return _ExportSummary(head.size, head.root, rows, note)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def new(self, name: str) -> BinaryIO:
        path = self._path / name
        for parent in reversed(path.relative_to(self._path).parents):
            (self._path / parent).mkdir(mode=0o700, exist_ok=True)
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, name: str, content: bytes) -> None:
        with self.new(name) as file:
            file.write(content)


def _newest_note() -> tuple[Checkpoint, str]:
    note = next(rows_of("SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1"), None)
    if note is None:
        raise Conflict("The log has no checkpoint yet. Run checkpoint_audit_log first.")
    try:
        return Checkpoint.parse(str(note[0]).rpartition("\n\n")[0] + "\n"), note[0]
    except CheckpointInvalid as error:
        raise incomplete("the newest checkpoint") from error


def _write_notes(target: _Folder, head: Checkpoint, note: str) -> None:
    name = origin()
    target.write("README", README.format(origin=name, size=head.size).encode())
    target.write("keys", "".join(f"{key.vkey}\n" for key in StoredKeys(name).keys).encode())
    cosigned = cosignature_lines([head.size]).get(head.size, "")
    target.write("checkpoint", f"{note}{cosigned}".encode())
    notes = rows_of("SELECT size, note FROM audit_checkpoints WHERE size < %s", [head.size])
    for some in batched(notes, _CHECKPOINTS_AT_ONCE):
        if not all(isinstance(size, int) and isinstance(former, str) for size, former in some):
            raise incomplete("a checkpoint")
        lines = cosignature_lines([size for size, _ in some])
        for size, former in some:
            whole = former + lines.get(size, "")
            target.write(f"checkpoints/{size}", whole.encode(errors="surrogateescape"))


def _write_tiles(target: _Folder, size: int) -> None:
    for level, number, width in tiles.tiles_of(size):
        stored, length = stored_tile(level, number), width * HASH_SIZE
        if stored is None and level == 0:
            stored = archived_tile(number)
        if not isinstance(stored, bytes) or len(stored) < length:
            raise incomplete(tiles.tile_path(level, number, width))
        # The tree may have grown since the checkpoint. Its tiles then begin with those of the checkpoint.
        target.write(tiles.tile_path(level, number, width), stored[:length])


def _write_entries(target: _Folder, trail: BinaryIO, size: int, progress: ReportProgress) -> int:
    """Write the entry bundles and the changed rows. Returns the number of changed rows."""
    done = rows = 0
    waiting: list[bytes] = []
    for entries, changed in _lines(size):
        trail.write(b"".join(line + b"\n" for line in changed))
        rows += len(changed)
        waiting += entries
        while len(waiting) >= tiles.WIDTH or (waiting and done + len(waiting) == size):
            bundle, waiting = waiting[: tiles.WIDTH], waiting[tiles.WIDTH :]
            target.write(tiles.entries_path(done // tiles.WIDTH, len(bundle)), _bundle(bundle, done))
            done += len(bundle)
        progress(done, size)
    return rows


def _lines(size: int) -> Iterator[tuple[Sequence[bytes], Sequence[bytes]]]:
    """The first ``size`` entries and the changed rows that they name, in parts, from the database and the archive."""
    index = 0
    for segment in AuditSegment.objects.order_by("number"):
        first = segment.number * AuditSegment.ENTRIES
        if index < first:
            yield from _stored_lines(index, first)
        content = read_segment(segment.check_mac())
        yield content.entries, content.rows
        index = first + AuditSegment.ENTRIES
    yield from _stored_lines(index, size)


def _stored_lines(first: int, end: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """The entries from the index ``first`` on, and before ``end``."""
    eras, columns = read_eras(), spelled(AuditLog, ENTRY_FIELDS, "g")
    old = rows_of(
        f"SELECT l.idx, {columns} FROM audit_leaves l "  # noqa: S608 - constants
        "LEFT JOIN audit_logs g ON g.id = l.log_id WHERE l.idx >= %s AND l.idx < %s ORDER BY l.idx",
        [first, end],
    )
    later = stored_entries(max(eras.last_old_id + 1, eras.id_of(first)), eras.id_of(end - 1))
    with closing(old), closing(later):  # on SQLite, an open cursor locks out the record of a cancellation
        placed = ((values[0] - 1 - eras.id_shift, *values) for values in later)
        for some in batched(chain(old, placed), _ENTRIES_AT_ONCE):
            yield (
                [_entry(row, first + place) for place, row in enumerate(some)],
                trail_lines([row[1:] for row in some]),
            )
            first += len(some)
    if first != end:
        raise incomplete(f"the entry with index {first}")


def _entry(row: Values, expected: int) -> bytes:
    index, *values = row
    if index != expected or values[0] is None:
        raise incomplete(f"the entry with index {expected}")
    return entry_line(tuple(values), expected)


def _bundle(entries: Sequence[bytes], first: int) -> bytes:
    try:
        return tiles.encode_bundle(entries)
    except ValueError as error:
        raise incomplete(f"one of the entries from index {first} on") from error
