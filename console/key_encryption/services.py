"""Rotate the key-encryption key, and retire an older one. ``console.key_encryption.rewraps`` moves the stored keys in between."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event
from audit.services.recording import record
from console import actions
from kernel import installation
from kernel.clock import database_now
from kernel.errors import Conflict, Invalid
from kernel.trust import kek, kek_records
from kernel.trust.models import KeyEncryptionKey

PERMISSION: Final = "system.manage"
OBJECT_TYPE: Final = "key_encryption_key"
KEK_ID: Final = re.compile("[A-Za-z0-9._-]{1,16}")
_ROTATE: Final = f"{installation.MANAGE} rotate_kek"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The new primary key and the previous one. ``file`` is None for a key of ``CC_KEK``.

    ``outdated`` stored keys are under older keys.
    """

    kek_id: str
    previous: str
    file: Path | None
    outdated: int


def create_kek_file(*, principal: Principal) -> Path:
    """Generate a key-encryption key as a file, which nothing uses yet. Raises Denied, Conflict and OSError."""
    principal.require(PERMISSION)
    _require_files()
    return kek.file_of(kek.create_file())


def rotate_kek(*, principal: Principal, kek_id: str = "", has_one_host: bool = False) -> Rotation:
    """Make a key-encryption key primary: all processes wrap new keys under it from now on.

    ``kek_id`` is a key that all hosts have already. Without it, a new file is created, which other hosts would lack: a
    PostgreSQL database requires ``has_one_host``. Two simultaneous rotations: one succeeds. Raises Denied, Conflict,
    KekUnavailable, OSError and AuditUnavailable.
    """
    principal.require(PERMISSION)
    principal.require_recent_sign_in(database_now())
    if not kek_id:
        _require_files()
        _require_one_host(has_one_host)
    kek.check_sentinels()
    previous = kek_records.primary_id()
    with transaction.atomic():
        kek_records.lock_all()
        if kek_records.primary_id() != previous:
            raise Conflict("Another process has just rotated the key-encryption key. Nothing was changed.")
        _require_new(kek_id)
        chosen = kek_id or kek.create_file()
        kek.make_primary(chosen)
        record(_event(actions.KEK_ROTATED, chosen, previous=previous), principal.actor)
        confirm_rights(principal)
    file = kek.file_of(chosen)
    return Rotation(chosen, previous, file if file.exists() else None, kek_records.count_outdated())


def retire_kek(*, principal: Principal, kek_id: str, confirmed_id: str) -> KeyEncryptionKey:
    """Retire a key-encryption key under which nothing is wrapped. Its file stays, because older backups need it.

    Raises Denied, Invalid unless the id is repeated, NotFound, and Conflict if the key is primary or still needed.
    """
    principal.require(PERMISSION)
    principal.require_recent_sign_in(database_now())
    if confirmed_id != kek_id:
        raise Invalid.of_field("confirm", "Repeat the id of the key-encryption key.")
    with transaction.atomic():
        retired = kek_records.retire(kek_id)
        record(_event(actions.KEK_RETIRED, kek_id), principal.actor)
        confirm_rights(principal)
    return retired


def _require_files() -> None:
    if settings.CC_KEK:
        raise Conflict(
            "The keys come from CC_KEK, so a file would not reach the other processes. Add a key to CC_KEK on every host, "
            f"restart all processes, and run {_ROTATE} --id ID."
        )


def _require_one_host(has_one_host: bool) -> None:  # noqa: FBT001 - private
    if not settings.CC_SQLITE and not has_one_host:
        raise Conflict(
            "Other hosts may use this database, and they would lack the new file. If all processes use this data folder, "
            f"run {_ROTATE} --one-host. Otherwise run {_ROTATE} --create-only, copy the file to the data folder of every "
            f"host, and run {_ROTATE} --id ID."
        )


def _require_new(kek_id: str) -> None:
    """Raises Conflict for a key that is or was in use, and Invalid for an id that no key can have."""
    if kek_id and not KEK_ID.fullmatch(kek_id):
        raise Invalid.of_field("id", "Enter up to 16 letters, digits, dots, hyphens or underscores.")
    if KeyEncryptionKey.objects.filter(pk=kek_id).exists():
        raise Conflict(f"Key-encryption key {kek_id} is or was in use. Choose a new one.")


def _event(action: str, kek_id: str, **meta: object) -> Event:
    return Event(action=action, object_type=OBJECT_TYPE, object_id=kek_id, meta=meta)
