"""Restore a backup into an empty database: everything in one transaction, which ends only after all checks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from django.apps.registry import Apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from audit import actions
from audit.errors import OlderDatabase
from audit.log.events import Actor, Event
from audit.log.raw_rows import ReportProgress, number_of
from audit.models import AuditSegment
from audit.sequencing.checkpoints.signing_keys import origin, trusted_keys
from audit.sequencing.eras import Eras
from audit.sequencing.head import Head, read_head, require_not_older, reset_head
from audit.sequencing.running import checkpoint_now
from audit.sequencing.tree import database_reader, read_tree
from audit.services.older_database import accept_older_database
from audit.services.recording import record
from audit.tlog import merkle
from audit.tlog.checkpoint import CheckpointInvalid, VerifierKey, open_note
from backups.loading import load_table, reset_sequences
from backups.manifest import Manifest, SignedManifest, read_manifest
from backups.rows import RowCounter
from backups.tables import Table, tables_of
from kernel.databases.applied_migrations import (
    applied_migrations,
    migration_transaction,
    shipped_migrations,
)
from kernel.errors import Conflict, Invalid
from kernel.installation import MANAGE
from kernel.trust import kek, system_keys

_REMEDY = (
    "Restore a newer backup. If there is none, add --accept-older REASON, which is recorded in the audit log. On the "
    "machine that made the backup, even the newest one needs it, because it lacks the entry of its own creation."
)
# The tables that the signature of the manifest is checked with.
_ROOT_OF_TRUST = frozenset({"instance", "key_encryption_keys", "system_keys", "checkpoint_keys"})


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
    seen: Mapping[str, Sequence[str]] = MappingProxyType({}),
    accepted_because: str = "",
    pinned: Sequence[VerifierKey] = (),
    progress: ReportProgress = lambda _done, _total: None,
    is_drill: bool = False,
) -> Restored:
    """Restore the backup in ``folder``, completely or not at all, and record it in the log.

    ``seen`` has signed notes from outside, by the name of their file. The restored log must contain the largest of
    each file, like the head that this host remembers. ``accepted_because`` is the reason to accept an older backup.
    ``is_drill``: neither record nor sign, so that no second log has this name. Raises Invalid, Conflict also after the
    commit, KekUnavailable for a wrong key-encryption key, OlderDatabase, OSError, and django.db.Error.
    """
    signed = read_manifest(folder, pinned)
    _require_known(signed.manifest)
    _require_empty()
    try:
        with migration_transaction():
            heads = _load(folder, signed, seen, pinned, progress)
            call_command("migrate", interactive=False, verbosity=0)
            size = _check_log(signed.manifest)
            older = _find_older(heads, size, is_accepted=bool(accepted_because.strip()))
            if not is_drill:
                record(_event(signed, size), actor)
            if older:
                # If the process is killed after the commit, the server does not start before the loss is recorded.
                reset_head(older)
    finally:
        _forget()
    if older:
        accept = partial(accept_older_database, reason=accepted_because, actor=actor)
        _complete("accept_older_database --reason TEXT", accept)
    if not is_drill:
        _complete("checkpoint_audit_log", checkpoint_now)
    return Restored(signed.manifest, size, older is not None, was_compared=bool(heads))


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


def _complete(command: str, step: Callable[[], object]) -> None:
    """Run a step after the commit, which ``command`` can repeat. Raises Conflict."""
    try:
        step()
    except (Exception, KeyboardInterrupt) as error:
        line = str(error).partition("\n")[0] or type(error).__name__
        raise Conflict(
            f"The rows are restored, but the restore is not complete: {line}. Run {MANAGE} {command}."
        ) from error


def _load(
    folder: Path,
    signed: SignedManifest,
    seen: Mapping[str, Sequence[str]],
    pinned: Sequence[VerifierKey],
    progress: ReportProgress,
) -> list[Head]:
    """Load all rows, and return the heads that the restored log must contain.

    The root of trust is first, so only rows that a trusted key has signed are loaded after it.
    """
    manifest = signed.manifest
    tables = tables_of(_create_tables(manifest))
    if [file.name for file in manifest.tables] != list(tables):
        raise Invalid("The backup has other tables than its migrations create. Use another backup.")
    counter = RowCounter(manifest.rows, progress)
    _defer_foreign_keys()
    _load_tables(folder, manifest, tables, _ROOT_OF_TRUST, counter)
    _check_signatures(signed)
    heads = _known_heads(seen, [*pinned, *trusted_keys()])
    _load_tables(folder, manifest, tables, tables.keys() - _ROOT_OF_TRUST, counter)
    reset_sequences()
    connection.check_constraints()  # of foreign keys
    return heads


def _defer_foreign_keys() -> None:
    """A migration that adds a foreign key lets PostgreSQL check at once, but tables are loaded in the order of their names."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _load_tables(
    folder: Path, manifest: Manifest, tables: Mapping[str, Table], names: Collection[str], counter: RowCounter
) -> None:
    for file in manifest.tables:
        if file.name in names:
            load_table(folder, file, tables[file.name], counter)
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


def _check_signatures(signed: SignedManifest) -> None:
    """Check the manifest with the loaded keys and the key-encryption key.

    It must be signed by keys whose rows have a MAC of this installation. An attacker without the key-encryption key
    cannot make one. Raises Invalid, KekUnavailable, UnwrapFailed and IntegrityFailed.
    """
    kek.check_sentinels()
    signed.require_signed_by(trusted_keys())
    if signed.manifest.origin != origin():
        raise Invalid("The manifest belongs to another installation. Use another backup.")


def _check_log(manifest: Manifest) -> int:
    """Check the loaded log with its newest checkpoint. Returns its size. Raises Invalid and IntegrityFailed."""
    tree, read = read_tree(), database_reader()
    # Segments count as a whole: the archive has their entries, and verify_audit_log checks which rows stay.
    others = f"idx / {AuditSegment.ENTRIES} NOT IN (SELECT number FROM audit_segments)"  # noqa: S608 - constants
    leaves = number_of(
        f"SELECT coalesce(sum(coalesce(g.entries, 1)), 0) FROM {Eras.of(tree).places()} places "  # noqa: S608 - constants
        f"LEFT JOIN audit_logs g ON g.id = places.log_id WHERE {others}"
    )
    archived = number_of("SELECT count(*) FROM audit_segments") * AuditSegment.ENTRIES
    try:
        if merkle.root(tree.size, read) != bytes(tree.root) or leaves + archived != tree.size:
            raise Invalid("The tree of the audit log is damaged in the backup. Use another backup.")
        if manifest.checkpoint:
            newest = open_note(manifest.checkpoint, trusted_keys())
            require_not_older(Head(newest.size, newest.root), tree.size, read, _REMEDY)
    except (ValueError, OlderDatabase) as error:
        raise Invalid(f"The audit log contradicts its checkpoint in the backup: {error}") from None
    return tree.size


def _known_heads(seen: Mapping[str, Sequence[str]], keys: Sequence[VerifierKey]) -> list[Head]:
    """The heads that the restored log must contain, the largest first. Raises Conflict, and OlderDatabase."""
    heads = [_largest_head(name, notes, keys) for name, notes in seen.items()]
    if remembered := read_head():
        heads.append(remembered)
    return sorted((head for head in heads if head.size), key=lambda head: head.size, reverse=True)


def _largest_head(name: str, notes: Sequence[str], keys: Sequence[VerifierKey]) -> Head:
    """The head of the largest note. A note that is not signed could hide a larger one, so it is refused."""
    trusted = [key for key in keys if key.name == origin()]
    try:
        checkpoints = [open_note(note, trusted) for note in notes]
    except CheckpointInvalid as error:
        raise Conflict(
            f"{name} contains a checkpoint that no known key of this log has signed ({error}). Name a file with "
            "checkpoints of this log. If its keys were rotated after the backup, name the keys with --key."
        ) from None
    largest = max(checkpoints, key=lambda checkpoint: checkpoint.size)
    return Head(largest.size, largest.root)


def _find_older(heads: Sequence[Head], size: int, *, is_accepted: bool) -> Head | None:
    """The first head that the restored tree of ``size`` does not contain. Raises OlderDatabase unless accepted."""
    read = database_reader()
    for head in heads:
        try:
            require_not_older(head, size, read, _REMEDY)
        except OlderDatabase:
            if not is_accepted:
                raise
            return head
    return None


def _event(signed: SignedManifest, size: int) -> Event:
    meta = {
        "manifest_sha256": signed.digest,
        "snapshot_at": signed.manifest.created_at,
        "from_database": signed.manifest.database,
        "tree_size": size,
    }
    return Event(action=actions.BACKUP_RESTORED, object_type="backup", meta=meta)
