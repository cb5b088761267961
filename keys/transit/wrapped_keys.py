"""Import of transit keys that a client wrapped for this server, as ``byok-export`` of OpenBao does."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from kernel.crypto.algorithms import algorithm_of_key
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transit import wrapped
from kernel.crypto.transit.secrets import TransitSecrets
from kernel.crypto.transit_types import TransitType
from kernel.errors import Invalid
from kernel.rsa import process as rsa_process
from keys import actions, new_material
from keys.creation.services import draft_key, store_key
from keys.lifecycle import Origin
from keys.models import Key, TransitKey
from keys.new_material import NewMaterial
from keys.rotation.services.rotating import rotate_key
from keys.transit.mounts import require_mount
from keys.transit.services import (
    check_transit_name,
    days_of,
    find_transit_key,
    native_name,
    unique_transit_name,
)
from keys.transport.services.import_parameters import recipients_of

MAX_WRAPPED: Final = 8192  # bytes
_REASON: Final = "imported by a client of the transit engine"
_NOT_IMPORTED: Final = "the import_version endpoint can only be used with an imported key"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """``ciphertext``: of the material under the caller's wrapping key. ``hash_name``: one of ``wrapped.HASHES``."""

    ciphertext: bytes = field(repr=False)
    hash_name: str = "SHA256"


def import_wrapped_key(
    *,
    principal: Principal,
    mount: str,
    name: str,
    kind: TransitType,
    content: WrappedKey,
    exportable: bool = False,
    allow_plaintext_backup: bool = False,
    rotation_period: timedelta = timedelta(0),
) -> Key:
    """Create a key with wrapped material. Its first version also protects.

    Raises Denied, Invalid, Conflict for a name in use, PolicyViolated, Overloaded, Throttled.
    """
    principal.require("keys.import")
    check_transit_name(name)
    if kind.is_convergent:
        raise Invalid("import cannot be used on keys with convergent encryption enabled")
    key = draft_key(
        principal,
        algorithm_of_key(kind.algorithm, "transit"),
        name=native_name(name),
        exportable=exportable,
        rotation_period_days=days_of(rotation_period),
        deletion_protection=True,  # as for a key that is created here
    )
    key.origin = Origin.IMPORTED
    material = _material(principal, kind, content)
    transit = TransitKey(key=key, mount=mount, name=name, allow_plaintext_backup=allow_plaintext_backup)
    meta = {"format": "wrapped", "origin": str(key.origin), "transit": str(transit)}
    with unique_transit_name(mount, name):
        require_mount(mount)
        action = actions.KEY_IMPORTED
        return store_key(principal, key, material, policy_id=None, action=action, meta=meta, transit=transit)


def import_wrapped_version(*, principal: Principal, key_id: UUID, content: WrappedKey) -> None:
    """Add a version with wrapped material to an imported key, and make it primary.

    Raises as ``import_wrapped_key``, ``rotate_key`` and ``find_transit_key``.
    """
    principal.require("keys.import")
    principal.require("keys.rotate")
    found = find_transit_key(principal=principal, key_id=key_id)
    if found.key.origin != Origin.IMPORTED:
        raise Invalid(_NOT_IMPORTED)
    material = _material(principal, found.kind, content)
    rotate_key(principal=principal, key_id=key_id, reason=_REASON, material=material)


def _material(principal: Principal, kind: TransitType, content: WrappedKey) -> NewMaterial:
    """The checked material. For RSA this takes a tenth of a second, so call it before any lock is taken."""
    octets = wrapped.unwrap(recipients_of(principal), content.ciphertext, content.hash_name)
    secrets = wrapped.secrets_of(kind, octets)
    if rsa_process.is_rsa(kind.name):
        _check_rsa(principal, kind, secrets)
    return new_material.of_transit(kind.algorithm, secrets)


def _check_rsa(principal: Principal, kind: TransitType, secrets: TransitSecrets) -> None:
    try:
        rsa_process.check(kind.name, KeyMaterial(secrets.key), principal.identity)
    except WrongKey as error:
        raise Invalid.of_field("ciphertext", f"error importing key: {error}") from None
