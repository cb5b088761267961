"""Restore a backup into an empty database: everything in one transaction, which ends only after all checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.apps.registry import Apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from audit import actions
from audit.backups.loading import check_foreign_keys, load_table, reset_sequences
from audit.backups.manifest import Manifest, SignedManifest, read_manifest
from audit.backups.progress import ReportProgress, RowCounter
from audit.backups.tables import tables_of
from audit.errors import OlderDatabase
from audit.log.events import Actor, Event
from audit.log.raw_rows import number_of
from audit.sequencing.checkpoint_keys import origin, trusted_keys
from audit.sequencing.head import Head, accept_older_database, read_head, require_not_older, reset_head
from audit.sequencing.running import checkpoint_now
from audit.sequencing.tree import database_reader, read_tree
from audit.services import record
from audit.tlog import merkle
from audit.tlog.checkpoint import Checkpoint, VerifierKey, open_note
from kernel.databases.applied_migrations import (
    applied_migrations,
    migration_transaction,
    shipped_migrations,
)
from kernel.errors import Conflict, Invalid
from kernel.trust import kek, system_keys

REMEDY = (
    "Restore a newer backup. If there is none, add --accept-older REASON, which is recorded in the audit log."
)


@dataclass(frozen=True, slots=True)
class Restored:
    """``size`` is the number of entries in the tree of the backup.

    ``is_older``: an older backup was accepted. ``was_compared``: the log contains a head that was seen before.
    """

    manifest: Manifest
    size: int
    is_older: bool
    was_compared: bool


def restore_backup(
    folder: Path,
    *,
    actor: Actor,
    seen: Sequence[Checkpoint] = (),
    accepted_because: str = "",
    pinned: Sequence[VerifierKey] = (),
    progress: ReportProgress = lambda _done, _total: None,
) -> Restored:
    """Restore the backup in ``folder``, completely or not at all, and record it in the log.

    ``seen`` are checkpoints from outside that the restored log must contain, like the head that this host remembers.
    An older backup is refused unless ``accepted_because`` gives the reason. Raises Invalid, Conflict if the
    database has tables, KekUnavailable for a wrong key-encryption key, OlderDatabase, OSError, django.db.Error, and
    the errors of ``progress``.
    """
    signed = read_manifest(folder, pinned)
    manifest = signed.manifest
    _require_known(manifest)
    _require_empty()
    try:
        with migration_transaction():
            _load(folder, manifest, progress)
            _check(signed)
            size = read_tree().size
            heads = _known_heads(manifest, seen)
            older = _find_older(heads, size)
            if older and not accepted_because.strip():
                raise OlderDatabase(older.detail)
            call_command("migrate", interactive=False, verbosity=0)
            record(_event(signed, size), actor)
    finally:
        _forget()
    if older:
        # If the process is killed here, the server does not start until the operator accepts the older database.
        reset_head(older.head)
        accept_older_database(reason=accepted_because, actor=actor)
    checkpoint_now()
    return Restored(manifest, size, older is not None, was_compared=bool(heads))


def _require_known(manifest: Manifest) -> None:
    unknown = set(manifest.migrations) - shipped_migrations()
    if unknown:
        app, name = min(unknown)
        raise Invalid(
            f"The backup was made by version {manifest.version}, and has the migration {app} {name} that this version "
            "lacks. Restore it with that version or a newer one."
        )


def _require_empty() -> None:
    if connection.introspection.table_names():
        raise Conflict(
            "The database already has tables. Restore into an empty one: set DATABASE_URL to a new PostgreSQL database, "
            "or move db.sqlite3, db.sqlite3-wal and db.sqlite3-shm out of the data folder."
        )


def _load(folder: Path, manifest: Manifest, progress: ReportProgress) -> None:
    tables = tables_of(_create_tables(manifest))
    if [file.name for file in manifest.tables] != list(tables):
        raise Invalid("The backup has other tables than its migrations create. Use another backup.")
    counter = RowCounter(manifest.rows, progress)
    for file in manifest.tables:
        load_table(folder, file, tables[file.name], counter)
    reset_sequences()
    check_foreign_keys()
    _forget()


def _create_tables(manifest: Manifest) -> Apps:
    """Create the tables in the state of the backup. Returns the models of that state."""
    executor, wanted = MigrationExecutor(connection), set(manifest.migrations)
    everything = executor.migration_plan(executor.loader.graph.leaf_nodes())
    plan = [step for step in everything if (step[0].app_label, step[0].name) in wanted]
    state = executor.migrate([], plan)
    if applied_migrations() != wanted:
        raise Invalid("The migrations of the backup are incomplete. Use another backup.")
    return state.apps


def _forget() -> None:
    """Drop what this process has cached about the database before the restore."""
    kek.forget()
    system_keys.forget()
    ContentType.objects.clear_cache()


def _check(signed: SignedManifest) -> None:
    """Check the loaded database with the key-encryption key, before anything is committed.

    The manifest must be signed by keys whose rows have a MAC of this installation. An attacker without the
    key-encryption key cannot make one. Raises Invalid, KekUnavailable, UnwrapFailed and IntegrityFailed.
    """
    kek.check_sentinels()
    keys = trusted_keys()
    signed.require_signed_by(keys)
    manifest, tree, read = signed.manifest, read_tree(), database_reader()
    if manifest.origin != origin():
        raise Invalid("The manifest belongs to another installation. Use another backup.")
    leaves = number_of("SELECT count(*) FROM audit_leaves")
    try:
        if merkle.root(tree.size, read) != bytes(tree.root) or leaves != tree.size:
            raise Invalid("The tree of the audit log is damaged in the backup. Use another backup.")
        if manifest.checkpoint:
            newest = open_note(manifest.checkpoint, keys)
            require_not_older(Head(newest.size, newest.root), tree.size, read, REMEDY)
    except (ValueError, OlderDatabase) as error:
        raise Invalid(f"The audit log contradicts its checkpoint in the backup: {error}") from None


@dataclass(frozen=True, slots=True)
class _Older:
    head: Head
    detail: str


def _known_heads(manifest: Manifest, seen: Sequence[Checkpoint]) -> list[Head]:
    """The heads that the restored log must contain, the largest first. Raises Conflict, and OlderDatabase."""
    if any(checkpoint.origin != manifest.origin for checkpoint in seen):
        raise Conflict(
            "The checkpoint belongs to another log than the backup. Name a checkpoint of this log."
        )
    heads = [Head(checkpoint.size, checkpoint.root) for checkpoint in seen]
    remembered = read_head()
    heads += [remembered] if remembered else []
    return sorted(heads, key=lambda head: head.size, reverse=True)


def _find_older(heads: Sequence[Head], size: int) -> _Older | None:
    """The first head that the restored tree of ``size`` does not contain."""
    read = database_reader()
    for head in heads:
        try:
            require_not_older(head, size, read, REMEDY)
        except OlderDatabase as error:
            return _Older(head, error.detail)
    return None


def _event(signed: SignedManifest, size: int) -> Event:
    meta = {
        "manifest_sha256": signed.digest,
        "snapshot_at": signed.manifest.created_at,
        "from_database": signed.manifest.database,
        "tree_size": size,
    }
    return Event(action=actions.BACKUP_RESTORED, object_type="backup", meta=meta)
