"""Export, back up, restore, delete and trim transit keys: with a migration token only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.transit.backup import BackupVersion, TransitBackup, read_backup
from kernel.crypto.transit.exporting import exported, require_form
from kernel.crypto.transit.secrets import TransitSecrets
from kernel.crypto.transit.writing import write_backup
from kernel.crypto.transit_types import TransitType, type_of
from kernel.databases.rows import first_of
from kernel.errors import Conflict, Denied, Invalid
from kernel.freshness.epoch import lock_epoch
from kernel.trust import kek
from kernel.trust.row_heads import check_locked
from keys import actions, trail
from keys.changing import finish_change, key_event, lock_key
from keys.deletion.services import schedule_locked
from keys.deletion.transit_names import free_name
from keys.errors import KeyNotUsable, NotExportable
from keys.lifecycle import TRANSITIONS, State, VersionState
from keys.models import Key, KeyVersion, TransitKey
from keys.models.policies import MAX_DELETION_DAYS
from keys.transit.importing import import_transit_backup
from keys.transit.mounts import lock_mount, remove_mount, require_mount
from keys.transit.services import KEPT, FoundTransitKey, find_transit_key, min_available_version

_REASON: Final = "requested by a client of the transit engine"
_READABLE: Final = frozenset({State.PRE_ACTIVATION, State.ACTIVE, State.DEACTIVATED})


@dataclass(frozen=True, slots=True)
class _ExportedSecrets:
    """``secrets``: a text for each version."""

    kind: TransitType
    secrets: dict[int, str] = field(repr=False)


@transaction.atomic
def export_transit_key(
    *, principal: Principal, key_id: UUID, form: str, version: int | None, is_private_connection: bool
) -> _ExportedSecrets:
    """Secrets of the versions that still decrypt, or of one: 0 for the newest.

    Raises Denied, NotFound, Invalid, NotExportable, KeyNotUsable.
    """
    key, _, kind = _lock(principal, key_id)
    require_form(kind, form)
    if form != "public-key":
        _require_exportable(key, is_private_connection=is_private_connection)
    rows = [row for row in _enabled(key) if row.version >= key.min_decryption_version]
    if version is not None:
        number = version or key.primary_version
        if number < key.min_decryption_version:
            raise Invalid("version for export is below minimum decryption version")
        rows = [row for row in rows if row.version == number]
        if not rows:
            raise Invalid("version does not exist or cannot be found")
    found = {row.version: exported(kind, _secrets(key, row), form) for row in rows}
    _record_export(principal, key, f"transit {form}", rows)
    return _ExportedSecrets(kind, found)


@transaction.atomic
def back_up_transit_key(*, principal: Principal, key_id: UUID, is_private_connection: bool) -> str:
    """All versions with material as a plaintext backup that OpenBao restores.

    Raises Denied, NotFound, NotExportable, KeyNotUsable.
    """
    key, transit, kind = _lock(principal, key_id)
    _require_exportable(key, is_private_connection=is_private_connection)
    if not transit.allow_plaintext_backup:
        raise NotExportable("plaintext backup is disallowed on the policy")
    rows = _enabled(key)
    if len(rows) != key.primary_version - rows[0].version + 1:
        raise KeyNotUsable(
            "A backup has all versions from the oldest one on. Enable the disabled versions first, or trim the key."
        )
    backup = TransitBackup(
        name=transit.name,
        kind=kind,
        versions=[BackupVersion(row.version, _secrets(key, row), row.created_at) for row in rows],
        min_decryption_version=max(key.min_decryption_version, rows[0].version),
        min_encryption_version=transit.min_encryption_version,
        deletion_allowed=not key.deletion_protection,
        rotation_period=timedelta(days=key.rotation_period_days or 0),
        exportable=True,
        allow_plaintext_backup=True,
    )
    _record_export(principal, key, "transit backup", rows)
    return write_backup(backup, database_now())


@transaction.atomic
def restore_transit_key(
    *,
    principal: Principal,
    text: str,
    mount: str,
    name: str,
    is_private_connection: bool,
    replaces: bool = False,
) -> FoundTransitKey:
    """A key from a backup, with the rights of its origin. ``name``: "" for the one in the backup.

    ``replaces``: a key that has the name gives it away, and is deleted. Raises Denied, Invalid, Conflict.
    """
    principal.require_migration_token()
    _require_private(is_private_connection=is_private_connection)
    backup = read_backup(text)
    name = name or backup.name
    require_mount(mount)  # first, as ``unmount`` locks it before the keys
    existing = TransitKey.objects.filter(mount=mount, name=name).first()
    if existing is not None:
        if not replaces:
            raise Conflict(f'key "{name}" already exists')
        key, _, _ = _lock(principal, existing.pk)
        _delete_locked(principal, key)
    return import_transit_backup(
        principal=principal,
        backup=backup,
        mount=mount,
        name=name,
        owner=principal.identity,
        keeps_rights=True,
    )


@transaction.atomic
def delete_transit_key(*, principal: Principal, key_id: UUID) -> None:
    """Free the name of a key at once, and schedule the destruction of its material.

    Raises Denied, NotFound, Invalid under deletion protection.
    """
    key, transit, _ = _lock(principal, key_id)
    if key.deletion_protection:
        raise Invalid(f"error deleting policy {transit.name}: deletion is not allowed for this key")
    _delete_locked(principal, key)


@transaction.atomic
def trim_transit_key(*, principal: Principal, key_id: UUID, minimum: int) -> FoundTransitKey:
    """Schedule the destruction of the versions before ``minimum``. They stop decrypting now.

    Raises Denied, NotFound, Invalid in OpenBao's words.
    """
    principal.require("keys.read")  # for the response
    key, transit, _ = _lock(principal, key_id)
    rows = list(key.versions.order_by("version"))
    check_locked(key, *rows)
    _check_minimum(key, transit, rows, minimum)
    now = database_now()
    changes = []
    for row in rows:
        if row.version < minimum and row.state in KEPT:
            before = trail.version_values(row)
            row.state = VersionState.SCHEDULED
            row.destruction_at = now + timedelta(days=MAX_DELETION_DAYS)
            row.save_with_mac(sets_all_fields=True)
            changes.append(RowChange.of_row(row, before=before, after=trail.version_values(row)))
    if changes:
        meta: dict[str, object] = {"reason": _REASON, "min_available_version": minimum}
        finish_change(principal, actions.VERSION_DESTRUCTION_SCHEDULED, key, changes, meta=meta)
    return find_transit_key(principal=principal, key_id=key_id)


def _check_minimum(key: Key, transit: TransitKey, rows: Sequence[KeyVersion], minimum: int) -> None:
    if minimum < min_available_version(rows):
        raise Invalid("minimum available version cannot be decremented")
    if not transit.min_encryption_version:
        raise Invalid("minimum available version cannot be set when minimum encryption version is not set")
    if minimum > transit.min_encryption_version:
        # The spelling is OpenBao's.
        raise Invalid("minimum available version cannot be greater than minmum encryption version")
    if minimum > key.min_decryption_version:
        raise Invalid("minimum available version cannot be greater than minimum decryption version")
    if minimum == 0:
        raise Invalid("minimum available version should be positive")


def _lock(principal: Principal, key_id: UUID) -> tuple[Key, TransitKey, TransitType]:
    principal.require_migration_token()
    key = lock_key(principal, key_id)
    kind = type_of(key.algorithm)
    if kind is None:
        raise Invalid("This is no transit key.")
    transit = first_of(TransitKey.objects.filter(pk=key_id))
    check_locked(key, transit)
    return key, transit, kind


def _delete_locked(principal: Principal, key: Key) -> None:
    """Free the name of a locked key, also under deletion protection, and schedule its deletion if it still has a use."""
    # Recorded on its own, before the state of the key changes.
    finish_change(principal, actions.KEY_UPDATED, key, [free_name(key)])
    if State.DELETION_SCHEDULED in TRANSITIONS[key.lifecycle_state(database_now()).state]:
        schedule_locked(principal, key, _REASON)


def _require_private(*, is_private_connection: bool) -> None:
    if not is_private_connection:
        raise Denied(
            "This server sends and receives plain key material only over https or on the same computer. Use https.",
            extra={"rule": "private_connection"},
        )


def _require_exportable(key: Key, *, is_private_connection: bool) -> None:
    _require_private(is_private_connection=is_private_connection)
    if not key.exportable:
        raise NotExportable("private key material is not exportable")
    at = key.lifecycle_state(database_now())
    if at.state not in _READABLE:
        raise KeyNotUsable(f"The key is {at.word}. It cannot be exported.", extra=at.facts())


def _enabled(key: Key) -> list[KeyVersion]:
    """The enabled versions, oldest first."""
    rows = list(key.versions.filter(state=VersionState.ENABLED).order_by("version"))
    check_locked(key, *rows)
    return rows


def _secrets(key: Key, row: KeyVersion) -> TransitSecrets:
    row.key = key
    return TransitSecrets.decode(kek.unwrap_row(row))


def _record_export(principal: Principal, key: Key, what: str, rows: Sequence[KeyVersion]) -> None:
    meta: dict[str, object] = {"reason": _REASON, "format": what, "versions": [row.version for row in rows]}
    record(key_event(actions.KEY_EXPORTED, key, meta=meta), principal.actor)
    lock_epoch()
    confirm_rights(principal)


@transaction.atomic
def unmount(*, principal: Principal, path: str) -> None:
    """Remove a mount. Its names are free at once, and all its keys are scheduled for destruction.

    Raises Denied, NotFound.
    """
    principal.require_migration_token()
    mount = lock_mount(path)  # first, so that no key is created in it meanwhile
    for key_id in TransitKey.objects.filter(mount=path).values_list("pk", flat=True):
        key, _, _ = _lock(principal, key_id)
        _delete_locked(principal, key)
    remove_mount(principal, mount)
