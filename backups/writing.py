"""Write a backup: every table in one snapshot, while the server runs, and a signed manifest."""

import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from django.apps import apps
from django.db import connection

import kernel
from audit import actions
from audit.log.canonical import format_timestamp
from audit.log.events import Actor, Event
from audit.log.raw_rows import ReportProgress, number_of, reading, stream
from audit.sequencing.checkpoints.signing_keys import active_signers, origin
from audit.sequencing.tree import latest_checkpoint
from audit.services.recording import record_alone
from backups.manifest import FORMAT, Manifest, SignedManifest, TableFile, digest_of, write_manifest
from backups.rows import RowCounter, encode_row
from backups.separation import require_no_kek
from backups.tables import Table, tables_of
from kernel.clock import database_now
from kernel.databases.applied_migrations import applied_migrations
from kernel.errors import Conflict, DomainError
from kernel.home import new_folder
from kernel.trust.row_mac import IntegrityFailed

# Level 1 takes a third of the time of the default level, and the files are a tenth larger.
_COMPRESSION = 1


def back_up(
    folder: Path, *, actor: Actor, progress: ReportProgress = lambda _done, _total: None
) -> SignedManifest:
    """Write a backup of the database into a new folder, completely or not at all, and record it in the log.

    The folder is 0700, its files 0600. It never contains the key-encryption key. Raises Conflict if the folder is not
    empty, if the key-encryption key is next to it, or if the complete backup cannot be recorded, IntegrityFailed if the
    database has values that the application never writes, TransactionManagementError inside a transaction, OSError,
    django.db.Error, and what ``progress`` raises.
    """
    require_no_kek(folder.absolute())
    with new_folder(folder) as unfinished:
        signed = write_snapshot(unfinished, progress)
    # After the folder appears, because the alert BackupAge relies on the record.
    try:
        record_alone(_event(signed), actor)
    except (DomainError, KeyboardInterrupt) as error:
        reason = str(error) or type(error).__name__
        raise Conflict(
            f"The backup in {folder} is complete, but the audit log does not record it: {reason}"
        ) from error
    return signed


def write_snapshot(folder: Path, progress: ReportProgress = lambda _done, _total: None) -> SignedManifest:
    """Write the files into an existing private folder, without a record in the log. Raises like ``back_up``."""
    tables = tables_of(apps)
    with reading():
        total = sum(number_of(f'SELECT count(*) FROM "{name}"') for name in tables)  # noqa: S608 - names of models
        counter = RowCounter(total, progress)
        files = [_write_table(folder, table, counter) for table in tables.values()]
        signers = active_signers()  # inside the snapshot, because the restored database must have these keys
        newest = latest_checkpoint()
        manifest = Manifest(
            format=FORMAT,
            origin=origin(),
            version=kernel.__version__,
            database=connection.vendor,
            created_at=format_timestamp(database_now()),
            migrations=sorted(applied_migrations()),
            checkpoint=newest.note if newest else "",
            keys=[key.vkey for key, _ in signers],
            tables=files,
        )
        return write_manifest(folder, manifest, signers)


def _write_table(folder: Path, table: Table, counter: RowCounter) -> TableFile:
    path, before = folder / f"{table.name}.copy.gz", counter.done
    with _packed(path) as file:
        if connection.vendor == "postgresql":
            _copy_postgresql(table, file, counter)
        else:
            _copy_sqlite(table, file, counter)
    size, sha256 = digest_of(path)
    columns = {name: str(kind) for name, kind in table.columns.items()}
    return TableFile(table.name, columns, counter.done - before, size, sha256)


@contextmanager
def _packed(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed,
    ):
        yield cast(BinaryIO, packed)


def _copy_postgresql(table: Table, file: BinaryIO, counter: RowCounter) -> None:
    # The copy is psycopg's own method: convert its errors to Django's.
    statement = f"COPY ({table.select}) TO STDOUT"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in copy:
            file.write(row)
            counter.add(1)


def _copy_sqlite(table: Table, file: BinaryIO, counter: RowCounter) -> None:
    types = list(table.columns.values())
    for rows in stream(table.select):
        try:
            lines = "".join([encode_row(row, types) for row in rows]).encode()
        except (TypeError, ValueError) as error:  # includes text that is not UTF-8
            raise IntegrityFailed(
                f"A row of {table.name} has a value that the application never writes ({error}). "
                "Run verify_audit_log, and find out who changed the database. Copy its file as evidence."
            ) from None
        file.write(lines)
        counter.add(len(rows))


def _event(signed: SignedManifest) -> Event:
    manifest = signed.manifest
    meta: Mapping[str, object] = {
        "manifest_sha256": signed.digest,
        "rows": manifest.rows,
        "bytes": manifest.size,
        "snapshot_at": manifest.created_at,
    }
    return Event(action=actions.BACKUP_CREATED, object_type="backup", meta=meta)
