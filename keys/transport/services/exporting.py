"""Export of keys that were created as exportable."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.errors import WrongKey
from kernel.crypto.transport import key_transport
from kernel.errors import Denied, Invalid
from kernel.freshness.epoch import lock_epoch
from kernel.labels import check_reason
from kernel.trust import kek
from kernel.trust.row_heads import check_locked
from keys import actions
from keys.changing import key_event, lock_key, lock_policy_of
from keys.errors import KeyNotUsable, NotExportable, PolicyViolated, PrivateKeyMissing
from keys.lifecycle import State, VersionState
from keys.models import EncryptionPolicy, Key, KeyVersion

MAX_VERSIONS: Final = 100
MAX_WRAPPING_KEY: Final = 2048  # bytes; one of X25519 with ML-KEM-768 has 1,240
_STATES: Final = frozenset({State.PRE_ACTIVATION, State.ACTIVE, State.DEACTIVATED})
"""The states of keys that may be exported: no one may use a key in another one."""


@dataclass(frozen=True, slots=True)
class ExportedVersion:
    """``material``: raw bytes of a symmetric key, PKCS #8 of a pair; ``wrapped`` if a wrapping key was given."""

    version: int
    material: bytes | None = field(default=None, repr=False)
    wrapped: bytes | None = None


@dataclass(frozen=True, slots=True)
class ExportedKey:
    """An exported key with its versions, oldest first."""

    key_id: UUID
    name: str
    algorithm: str
    purpose: str
    versions: Sequence[ExportedVersion]


@transaction.atomic
def export_key(
    *,
    principal: Principal,
    key_id: UUID,
    reason: str,
    is_private_connection: bool,
    versions: Sequence[int] | None = None,
    wrapping_key: bytes | None = None,
) -> ExportedKey:
    """The material of enabled versions: of the given numbers, or of the newest ``MAX_VERSIONS``.

    ``wrapping_key``: a SubjectPublicKeyInfo under which each is wrapped, as ``key_transport.wrap`` does.
    ``is_private_connection``: whether no one can read the connection on which the response goes. Raises Denied,
    RecentAuthRequired, NotFound, Invalid, NotExportable, PolicyViolated, KeyNotUsable, PrivateKeyMissing.
    """
    principal.require("keys.export")
    principal.require_recent_sign_in(database_now())
    check_reason(reason)
    if wrapping_key is None and not is_private_connection:
        raise Denied(
            "This server sends plain key material only over https or to the same computer. "
            "Use https, or send a wrapping_key.",
            extra={"rule": "private_connection"},
        )
    key = lock_key(principal, key_id)
    policy = lock_policy_of(key)
    require_exportable(key, policy)
    rows = _versions(key, versions)
    check_locked(key, *rows, *filter(None, [policy]))
    exported = [_export(key, row, wrapping_key) for row in rows]
    meta: dict[str, object] = {"reason": reason, "versions": [row.version for row in rows]}
    if wrapping_key is not None:
        meta["wrapping_key_sha256"] = sha256(wrapping_key).hexdigest()
    record(key_event(actions.KEY_EXPORTED, key, meta=meta), principal.actor)
    lock_epoch()
    confirm_rights(
        principal
    )  # the caller's rights may have ended while this transaction waited for its locks
    return ExportedKey(key.id, key.name, key.algorithm, key.purpose, exported)


def require_exportable(key: Key, policy: EncryptionPolicy | None) -> None:
    """Raises NotExportable, PolicyViolated, KeyNotUsable, PrivateKeyMissing."""
    if key.purpose == "transit":  # its material has a format of its own
        raise NotExportable("Transit keys cannot be exported here.")
    if not key.exportable:
        raise NotExportable
    if policy is not None and not policy.exportable:
        raise PolicyViolated("The key's policy does not allow export.")
    at = key.lifecycle_state(database_now())
    if at.state not in _STATES:
        raise KeyNotUsable(f"The key is {at.word}. It cannot be exported.", extra=at.facts())
    if not key.has_private_key:
        raise PrivateKeyMissing


def _versions(key: Key, numbers: Sequence[int] | None) -> list[KeyVersion]:
    rows = {row.version: row for row in key.versions.order_by("version")}
    now = database_now()

    def usable(row: KeyVersion) -> bool:
        return _is_usable(key, row, rows.get(row.version + 1), now)

    if numbers is None:
        enabled = [row for row in rows.values() if row.state == VersionState.ENABLED]
        chosen = [row for row in enabled if usable(row)][-MAX_VERSIONS:]
    else:
        if len(numbers) > MAX_VERSIONS:
            raise Invalid.of_field("versions", f"Export at most {MAX_VERSIONS} versions at once.")
        if missing := set(numbers) - set(rows):
            raise Invalid.of_field("versions", f"The key has no version {min(missing)}.")
        chosen = [rows[number] for number in sorted(set(numbers))]
    if not chosen:
        raise KeyNotUsable("No version of this key is enabled.")
    for row in chosen:
        if row.check_mac().state != VersionState.ENABLED:
            raise KeyNotUsable(f"Version {row.version} of this key is {row.state_word}.")
        if not usable(row):
            raise KeyNotUsable(f"Version {row.version} of this key may no longer be used.")
    return chosen


def _is_usable(key: Key, row: KeyVersion, replaced_by: KeyVersion | None, now: datetime) -> bool:
    """Whether the minimum version and the grace period of the policy still let the version process."""
    days = None if key.policy is None else key.policy.rotation.grace_days
    if row.version < key.min_decryption_version:
        return False
    return replaced_by is None or days is None or replaced_by.created_at + timedelta(days=days) > now


def _export(key: Key, row: KeyVersion, wrapping_key: bytes | None) -> ExportedVersion:
    row.key = key
    material = kek.unwrap_row(row)
    if wrapping_key is None:
        return ExportedVersion(row.version, material=material.expose())  # noqa: CC1 - the export of a key
    try:
        return ExportedVersion(row.version, wrapped=key_transport.wrap(wrapping_key, material, key.name))
    except WrongKey as error:
        raise Invalid.of_field("wrapping_key", str(error)) from None
