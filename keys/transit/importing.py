"""Import of transit keys from plaintext backups of OpenBao and Vault."""

from datetime import datetime
from typing import Final

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from kernel.clock import database_now
from kernel.crypto.algorithms import algorithm_of_key
from kernel.crypto.transit.backup import BackupVersion, TransitBackup
from kernel.crypto.transit_types import TransitType
from kernel.freshness.epoch import lock_epoch
from kernel.identities import Identity
from keys import actions, new_material
from keys.changing import new_version
from keys.creation.services import draft_key, insert_key
from keys.lifecycle import Origin, VersionState
from keys.models import Key, KeyVersion, TransitKey
from keys.rotation.services.rotating import rotate_key
from keys.transit.mounts import require_mount
from keys.transit.services import (
    FoundTransitKey,
    check_transit_name,
    days_of,
    find_transit_key,
    native_name,
    unique_transit_name,
)

_REASON: Final = "imported: the number of earlier messages is unknown"


def import_transit_backup(
    *,
    principal: Principal,
    backup: TransitBackup,
    mount: str,
    name: str,
    owner: Identity,
    keeps_rights: bool = False,
) -> FoundTransitKey:
    """Create a key with the versions of a backup. It is not exportable, unless a migration token keeps its rights.

    If random nonces limit the number of messages, the imported versions protect no more, and the key is rotated at once.
    A convergent key is not, so that equal messages keep equal ciphertexts.
    Raises Denied, Invalid, Conflict for a name in use, PolicyViolated.
    """
    _require_right(principal, keeps_rights=keeps_rights)
    check_transit_name(name)
    kind = algorithm_of_key(backup.kind.algorithm, "transit")
    limit = _message_limit(backup.kind)
    material = None if limit is None else new_material.generate(kind, principal.identity)
    key = _draft(principal, backup, name, owner)
    key.exportable = keeps_rights and backup.exportable
    transit = _transit(key, backup, mount, name, keeps_rights=keeps_rights)
    with unique_transit_name(mount, name):
        require_mount(mount)
        versions = _versions(key, backup, limit)
        key.created_at = versions[0].created_at
        meta: dict[str, object] = {
            "format": "vault-backup",
            "origin": str(key.origin),
            "transit": str(transit),
        }
        insert_key(
            principal, key, None, versions=versions, meta=meta, transit=transit, action=actions.KEY_IMPORTED
        )
        lock_epoch()
        confirm_rights(principal)
        if material is not None:
            rotate_key(principal=principal, key_id=key.id, reason=_REASON, material=material)
    return find_transit_key(principal=principal, key_id=key.id)


def _draft(principal: Principal, backup: TransitBackup, name: str, owner: Identity) -> Key:
    key = draft_key(
        principal,
        algorithm_of_key(backup.kind.algorithm, "transit"),
        name=native_name(name),
        rotation_period_days=days_of(backup.rotation_period),
        deletion_protection=not backup.deletion_allowed,
    )
    key.created_by_id, key.service_account_id = owner.user_id, owner.service_account_id
    key.origin = Origin.IMPORTED
    key.primary_version, key.min_decryption_version = backup.newest, backup.min_decryption_version
    return key


def _transit(key: Key, backup: TransitBackup, mount: str, name: str, *, keeps_rights: bool) -> TransitKey:
    return TransitKey(
        key=key,
        mount=mount,
        name=name,
        min_encryption_version=backup.min_encryption_version,
        allow_plaintext_backup=keeps_rights and backup.allow_plaintext_backup,
    )


def _require_right(principal: Principal, *, keeps_rights: bool) -> None:
    if keeps_rights:
        principal.require_migration_token()
    else:
        principal.require("keys.import")


def _message_limit(kind: TransitType) -> int | None:
    """How many messages one version may encrypt; None for any number."""
    mode = kind.modes.get("encrypt")
    return None if mode is None or kind.is_convergent else mode.invocation_limit


def _versions(key: Key, backup: TransitBackup, limit: int | None) -> list[KeyVersion]:
    """All versions from 1 on, not yet saved: the deleted ones, too."""
    now = database_now()
    kept = [_version(key, version, limit, now) for version in backup.versions]
    kept[-1].is_primary = True
    deleted = [
        KeyVersion(
            key=key,
            version=number,
            state=VersionState.DESTROYED,
            is_primary=False,
            kek_id="",
            wrapped=b"",
            created_at=kept[0].created_at,
        )
        for number in range(1, kept[0].version)
    ]
    return [*deleted, *kept]


def _version(key: Key, version: BackupVersion, limit: int | None, now: datetime) -> KeyVersion:
    material = new_material.of_transit(key.algorithm, version.secrets)
    created_at = now if version.created_at is None else min(version.created_at, now)
    row = new_version(key, version.number, material, created_at)
    row.is_primary = False
    row.uses_reserved = limit or 0
    return row
