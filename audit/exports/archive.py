"""Export the signed part of the log as a folder of files, for verification elsewhere (C2SP tlog-tiles).

``checkpoint`` is the newest signed note, and ``checkpoints/<size>`` are the earlier ones. ``tile/<level>/<number>``
and ``tile/entries/<number>`` are the tree and the entries of exactly that size. ``trail.jsonl`` has the changed rows
that these entries name, one per line, in the bytes whose SHA-256 an entry contains. ``keys`` has the signing keys,
only for comparison with the reader's pinned keys. The export verifies nothing.
"""

import os
from contextlib import closing
from dataclasses import dataclass
from itertools import batched, chain
from pathlib import Path
from typing import BinaryIO

from audit.log.entries import ENTRY_FIELDS, TRAIL_FIELDS, entry_bytes, trail_bytes
from audit.log.events import TRAIL_DIGESTS
from audit.log.raw_rows import ReportProgress, Values, reading, rows_of, spelled
from audit.models import AuditLog
from audit.sequencing.checkpoints.signing_keys import origin
from audit.tlog import tiles
from audit.tlog.checkpoint import Checkpoint, CheckpointInvalid
from audit.tlog.merkle import HASH_SIZE
from audit.verification.growing import stored_tile
from audit.verification.keys import StoredKeys
from audit.verification.leaves import read_eras
from audit.verification.trail import row_of, trail_of
from kernel.errors import Conflict
from kernel.home import new_folder
from kernel.trust.row_mac import IntegrityFailed

README = """\
The audit log of {origin}, its first {size} entries. To verify it with a public key that you saved earlier:
  ccverify verify-export . --key VKEY --checkpoint EARLIER   (a key and a checkpoint that you kept elsewhere)
"""
_BUNDLES_AT_ONCE = 4
_EVENT, _META = ENTRY_FIELDS.index("event_id"), ENTRY_FIELDS.index("meta")
_EVENT_OF_ROW = TRAIL_FIELDS.index("event_id")


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
    (``verify_audit_log`` gives details), TransactionManagementError inside a transaction, OSError, django.db.Error, and
    the errors of ``progress``.
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
        raise _incomplete("the newest checkpoint") from error


def _write_notes(target: _Folder, head: Checkpoint, note: str) -> None:
    name = origin()
    target.write("README", README.format(origin=name, size=head.size).encode())
    target.write("keys", "".join(f"{key.vkey}\n" for key in StoredKeys(name).keys).encode())
    target.write("checkpoint", note.encode())
    for size, former in rows_of("SELECT size, note FROM audit_checkpoints WHERE size < %s", [head.size]):
        if not isinstance(size, int) or not isinstance(former, str):
            raise _incomplete("a checkpoint")
        target.write(f"checkpoints/{size}", former.encode(errors="surrogateescape"))


def _write_tiles(target: _Folder, size: int) -> None:
    for level, number, width in tiles.tiles_of(size):
        stored, length = stored_tile(level, number), width * HASH_SIZE
        if not isinstance(stored, bytes) or len(stored) < length:
            raise _incomplete(tiles.tile_path(level, number, width))
        # The tree may have grown since the checkpoint. Its tiles then begin with those of the checkpoint.
        target.write(tiles.tile_path(level, number, width), stored[:length])


def _write_entries(target: _Folder, trail: BinaryIO, size: int, progress: ReportProgress) -> int:
    """Write the entry bundles and the changed rows. Returns the number of changed rows."""
    eras = read_eras()
    columns = spelled(AuditLog, ENTRY_FIELDS, "g")
    old = rows_of(
        f"SELECT l.idx, {columns} FROM audit_leaves l "  # noqa: S608 - constants
        "LEFT JOIN audit_logs g ON g.id = l.log_id WHERE l.idx < %s ORDER BY l.idx",
        [size],
    )
    later = rows_of(
        f"SELECT g.id - 1 - %s, {columns} FROM audit_logs g "  # noqa: S608 - constants
        "WHERE g.id > %s AND g.id <= %s ORDER BY g.id",
        [eras.id_shift, eras.last_old_id, eras.id_of(size - 1)],
    )
    done = rows = 0
    with closing(old), closing(later):  # on SQLite, an open cursor locks out the record of a cancellation
        for some in batched(chain(old, later), _BUNDLES_AT_ONCE * tiles.WIDTH):
            entries = [_entry(row, done + place) for place, row in enumerate(some)]
            for bundle in batched(entries, tiles.WIDTH):
                target.write(tiles.entries_path(done // tiles.WIDTH, len(bundle)), _bundle(bundle, done))
                done += len(bundle)
            rows += _write_trail(trail, some)
            progress(done, size)
    if done != size:
        raise _incomplete(f"the entry with index {done}")
    return rows


def _entry(row: Values, expected: int) -> bytes:
    index, *values = row
    what = f"the entry with index {expected}"
    if index != expected or values[0] is None:
        raise _incomplete(what)
    try:
        return entry_bytes(dict(zip(ENTRY_FIELDS, values, strict=True)))
    except (TypeError, ValueError) as error:
        raise _incomplete(what) from error


def _bundle(entries: tuple[bytes, ...], first: int) -> bytes:
    try:
        return tiles.encode_bundle(entries)
    except ValueError as error:
        raise _incomplete(f"one of the entries from index {first} on") from error


def _write_trail(trail: BinaryIO, entries: tuple[Values, ...]) -> int:
    """Write the changed rows of these entries, in the order of the entries. Returns their number."""
    naming = [row[1 + _EVENT] for row in entries if TRAIL_DIGESTS in str(row[1 + _META])]
    lines: dict[object, list[bytes]] = {event_id: [] for event_id in naming}
    for values in trail_of(naming) if naming else ():
        lines[values[_EVENT_OF_ROW]].append(_line(values))
    written = [line for event_id in lines for line in lines[event_id]]
    trail.write(b"".join(written))
    return len(written)


def _line(values: Values) -> bytes:
    try:
        return trail_bytes(row_of(values)) + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise _incomplete(f"the changed row {values[0]}") from error


def _incomplete(what: str) -> IntegrityFailed:
    return IntegrityFailed(f"{what[:1].upper()}{what[1:]} is missing or was altered. Run verify_audit_log.")
