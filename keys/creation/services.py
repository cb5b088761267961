"""Creation of keys."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models.names import unique_name
from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.crypto.algorithms import GENERATED_NAMES, KeyAlgorithm, find_key_algorithm
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch
from kernel.labels import check_name
from keys import actions, lifecycle, metadata, new_material, policy_rules, trail
from keys.changing import key_event, lock_policy, new_version, require_retag
from keys.errors import PolicyViolated
from keys.lifecycle import State
from keys.models import EncryptionPolicy, Key, KeyGrant, KeyVersion, TransitKey
from keys.models.selection import searched_text
from keys.new_material import NewMaterial
from keys.ring import keyring
from keys.ring.cached_keys import CachedKey
from keys.trail import grant_values


def create_key(  # noqa: PLR0913 - the fields of a key as keyword arguments
    *,
    principal: Principal,
    name: str,
    algorithm: str,
    key_size: int | None = None,
    purpose: str | None = None,
    expires_at: datetime | None = None,
    activates_at: datetime | None = None,
    tags: Sequence[str] = (),
    description: str = "",
    rotation_period_days: int | None = None,
    policy_id: UUID | None = None,
    exportable: bool = False,
    deletion_protection: bool = False,
    material: NewMaterial | None = None,
) -> Key:
    """Create a key with its first version. It is active immediately unless ``activates_at`` is in the future.

    ``algorithm`` is a key algorithm or its alias. ``key_size``, in bits, must match it if given. ``purpose``: None for
    the default one. Times are aware. Under a policy, the key gets its cryptoperiod. ``material`` is generated unless
    given. Raises Denied, Invalid, UnsupportedAlgorithm, PolicyViolated, NameTaken, Overloaded, Throttled.
    """
    principal.require("keys.create")
    key = draft_key(
        principal,
        _find_algorithm(algorithm, purpose, key_size),
        name=name,
        expires_at=expires_at,
        activates_at=activates_at,
        tags=tags,
        description=description,
        rotation_period_days=rotation_period_days,
        exportable=exportable,
        deletion_protection=deletion_protection,
    )
    material = material or material_for_creation(principal, key.algorithm, key.purpose)
    return store_key(principal, key, material, policy_id=policy_id)


def draft_key(  # noqa: PLR0913 - as create_key
    principal: Principal,
    kind: KeyAlgorithm,
    *,
    name: str,
    expires_at: datetime | None = None,
    activates_at: datetime | None = None,
    tags: Sequence[str] = (),
    description: str = "",
    rotation_period_days: int | None = None,
    exportable: bool = False,
    deletion_protection: bool = False,
) -> Key:
    """A new key of the principal, not yet saved. Raises Invalid."""
    check_name(name)
    key = _own_key(principal, kind, name)
    _set_times(key, activates_at, expires_at)
    metadata.check_description(description)
    metadata.check_tags(tags)
    metadata.check_rotation_period(rotation_period_days, kind.name)
    key.description, key.tags = description, list(tags)
    key.rotation_period_days = rotation_period_days
    key.exportable = exportable
    key.deletion_protection = deletion_protection
    return key


def store_key(
    principal: Principal,
    key: Key,
    *materials: NewMaterial,
    policy_id: UUID | None,
    action: str = actions.KEY_CREATED,
    meta: Mapping[str, object] = MappingProxyType({}),
    transit: TransitKey | None = None,
) -> Key:
    """Save a new key with a version of each material, and record it. Raises Denied, Invalid, PolicyViolated, NameTaken.

    ``transit``: the row of a transit key, saved with it.
    """
    with unique_name(Key, key.name, "key"):  # noqa: CC2 - a name is unique among all keys
        policy = None if policy_id is None else lock_policy(policy_id)
        return _store(principal, key, *materials, policy=policy, action=action, meta=meta, transit=transit)


def material_for_creation(principal: Principal, algorithm: str, purpose: str | None = None) -> NewMaterial:
    """Material for a new key, generated before anything is locked.

    Raises UnsupportedAlgorithm, Invalid, Overloaded, Throttled. The creation may still be refused, for example because
    of its name.
    """
    kind = find_key_algorithm(algorithm, purpose, allowed=GENERATED_NAMES)
    return new_material.generate(kind, principal.identity)


def find_default(principal: Principal, algorithm: str) -> CachedKey:
    """``default_key`` with its material, from memory if possible. Raises as ``default_key``, and IntegrityFailed."""
    key_id = keyring.cached_default_id(principal, algorithm)
    if key_id is not None:
        entry = keyring.find(key_id, principal)
        if entry.successor_id is None:
            return entry
    entry = keyring.find(default_key(principal, algorithm).id, principal)
    keyring.keep_default(principal, algorithm, entry.key_id)
    return entry


def default_key(principal: Principal, algorithm: str) -> Key:
    """The key that encrypts for a user who names none: one per algorithm, created on first use.

    Raises Invalid for a caller that is not a user.
    """
    principal.require("crypto.encrypt")  # not "keys.create": this key is part of encrypting
    if not algorithm:
        raise Invalid.of_field(
            "key_id", "This field is required: keys for this mode have several algorithms."
        )
    kind = find_key_algorithm(algorithm)
    if principal.user_id is None or principal.limits is not None:
        raise Invalid.of_field(
            "key_id", "This field is required: only users who signed in have a default key."
        )
    existing = _find_default(principal.user_id, kind)
    if existing is not None:
        return existing
    if settings.CC_REQUIRE_POLICY:
        raise PolicyViolated.of_field(
            "key_id", "Name a key: every key needs a policy on this server, so none is created by default."
        )
    key = _own_key(principal, kind, "")
    # The name contains the key's random ID, so that no other user can take it in advance.
    key.name = f"default-{kind.name}-{key.id.hex[:12]}"
    key.is_default = True
    material = new_material.generate(kind, principal.identity)
    try:
        with transaction.atomic():
            return _store(principal, key, material)
    except IntegrityError:  # of several concurrent first uses, one creates the key and the others use it
        created = _find_default(principal.user_id, kind)
        if created is None:
            raise
        return created


def new_key(kind: KeyAlgorithm, **fields: Any) -> Key:
    """An active key, not yet saved. ``fields``: its columns besides those of its algorithm."""
    return Key(
        algorithm=kind.name, purpose=kind.purpose, modes=list(kind.modes), state=State.ACTIVE, **fields
    )


def first_version(key: Key, material: NewMaterial) -> KeyVersion:
    """The first version of a new key, not yet saved."""
    return new_version(key, 1, material, key.created_at)


def insert_key(
    principal: Principal,
    key: Key,
    policy: EncryptionPolicy | None,
    *,
    versions: Sequence[KeyVersion],
    meta: dict[str, object],
    grants: Iterable[KeyGrant] = (),
    transit: TransitKey | None = None,
    action: str = actions.KEY_CREATED,
) -> None:
    """Insert a new key under a locked policy, with its versions and ``grants``, and record it with ``meta``.

    ``versions``: not yet saved; the last one is the primary one. Raises PolicyViolated.
    """
    if policy is not None:
        policy_rules.take_over(policy, key)
    elif settings.CC_REQUIRE_POLICY:
        raise policy_rules.required_by_setting()
    key.next_rotation_at = lifecycle.next_rotation(key.effective_rotation_days, versions[-1].created_at)
    key.searched_text = searched_text(key.name, key.description, key.tags, str(transit or ""))
    key.save_with_mac()
    changes = [RowChange.of_row(key, after=trail.key_values(key))]
    for version in versions:
        version.save_with_mac()
        changes.append(RowChange.of_row(version, after=trail.version_values(version)))
    for grant in grants:
        grant.save_with_mac()
        changes.append(RowChange.of_row(grant, after=grant_values(grant)))
    if transit is not None:
        transit.save_with_mac()
        changes.append(RowChange.of_row(transit, after=trail.transit_values(transit)))
    event = key_event(action, key, version=key.primary_version, meta=meta)
    record(event, principal.actor, changes=changes)


def _find_algorithm(name: str, purpose: str | None, key_size: int | None) -> KeyAlgorithm:
    kind = find_key_algorithm(name, purpose, allowed=GENERATED_NAMES)
    if key_size is not None and key_size != kind.key_size:
        raise Invalid.of_field("key_size", f"Must be {kind.key_size}, or omit it.")
    return kind


def _set_times(key: Key, activates_at: datetime | None, expires_at: datetime | None) -> None:
    now = key.created_at
    metadata.check_expiry(expires_at, activates_at, now)
    pending = activates_at is not None and activates_at > now
    key.state = State.PRE_ACTIVATION if pending else State.ACTIVE
    key.activates_at, key.expires_at = activates_at, expires_at


def _own_key(principal: Principal, kind: KeyAlgorithm, name: str) -> Key:
    return new_key(
        kind,
        name=name,
        created_at=database_now(),
        created_by_id=principal.user_id,
        service_account_id=principal.identity.service_account_id,
    )


def _store(
    principal: Principal,
    key: Key,
    *materials: NewMaterial,
    policy: EncryptionPolicy | None = None,
    action: str = actions.KEY_CREATED,
    meta: Mapping[str, object] = MappingProxyType({}),
    transit: TransitKey | None = None,
) -> Key:
    # No epoch is raised, because no decision can depend on a key that did not exist.
    meta = {"default": key.is_default, **meta}
    versions = [new_version(key, number, each, key.created_at) for number, each in enumerate(materials, 1)]
    for version in versions[:-1]:
        version.is_primary = False
    key.primary_version = len(versions)
    insert_key(principal, key, policy, versions=versions, meta=meta, transit=transit, action=action)
    lock_epoch()
    confirm_rights(principal)  # a user whose rights have ended must not create a key
    require_retag(principal, (), key.tags)
    return key


def _find_default(user_id: UUID, kind: KeyAlgorithm) -> Key | None:
    return Key.objects.filter(created_by_id=user_id, algorithm=kind.name, is_default=True).first()  # noqa: CC2 - the caller's own default key
