"""Creation of keys."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.errors import NameTaken
from accounts.principals import Principal
from accounts.tokens import renew_principal
from audit.log.events import RowChange
from audit.services import record
from kernel.clock import database_now
from kernel.crypto.algorithms import KeyAlgorithm, find_key_algorithm
from kernel.errors import Invalid
from kernel.freshness.epoch import lock_epoch
from keys import actions, lifecycle, metadata, policy_rules, trail
from keys.errors import PolicyViolated
from keys.lifecycle import State
from keys.models import Key
from keys.selection import searched_text
from keys.services.changing import key_event, lock_policy, new_version


def create_key(  # noqa: PLR0913 - the fields of a key as keyword arguments
    *,
    principal: Principal,
    name: str,
    algorithm: str,
    key_size: int | None = None,
    expires_at: datetime | None = None,
    activates_at: datetime | None = None,
    tags: Sequence[str] = (),
    description: str = "",
    rotation_period_days: int | None = None,
    policy_id: UUID | None = None,
    exportable: bool = False,
    deletion_protection: bool = False,
) -> Key:
    """Create a key with its first version. It is active immediately unless ``activates_at`` is in the future.

    ``algorithm`` is a key algorithm or its alias. ``key_size``, in bits, must match it if given. Times are aware.
    Under a policy, the key gets its cryptoperiod. Raises Invalid, UnsupportedAlgorithm, PolicyViolated, NameTaken.
    """
    principal.require("keys.create")
    kind = _find_algorithm(algorithm, key_size)
    metadata.check_name(name)
    key = _new_key(principal, kind, name, database_now())
    _set_times(key, activates_at, expires_at)
    metadata.check_description(description)
    metadata.check_tags(tags)
    metadata.check_rotation_period(rotation_period_days, kind.name)
    key.description, key.tags = description, list(tags)
    key.rotation_period_days = rotation_period_days
    key.exportable = exportable
    key.deletion_protection = deletion_protection
    try:
        return _store(principal, key, kind, policy_id)
    except IntegrityError:
        if not Key.objects.filter(name=name).exists():
            raise
        raise NameTaken.of_field("name", f"A key named {name} already exists.", name=name) from None


def default_key(principal: Principal, algorithm: str) -> Key:
    """The key that encrypts for a user who names none: one per algorithm, created on first use.

    Raises Invalid for a caller that is not a user.
    """
    principal.require("crypto.encrypt")  # not "keys.create": this key is part of encrypting
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
    now = database_now()
    key = _new_key(principal, kind, "", now)
    # The name contains the key's random ID, so that no other user can take it in advance.
    key.name = f"default-{kind.name}-{key.id.hex[:12]}"
    key.is_default = True
    try:
        return _store(principal, key, kind)
    except IntegrityError:  # of several concurrent first uses, one creates the key and the others use it
        created = _find_default(principal.user_id, kind)
        if created is None:
            raise
        return created


def _find_algorithm(name: str, key_size: int | None) -> KeyAlgorithm:
    kind = find_key_algorithm(name)
    if key_size is not None and key_size != kind.key_size:
        raise Invalid.of_field("key_size", f"Must be {kind.key_size}, or omit it.")
    return kind


def _set_times(key: Key, activates_at: datetime | None, expires_at: datetime | None) -> None:
    now = key.created_at
    metadata.check_expiry(expires_at, activates_at, now)
    pending = activates_at is not None and activates_at > now
    key.state = State.PRE_ACTIVATION if pending else State.ACTIVE
    key.activates_at, key.expires_at = activates_at, expires_at


def _new_key(principal: Principal, kind: KeyAlgorithm, name: str, now: datetime) -> Key:
    return Key(
        id=uuid4(),
        name=name,
        algorithm=kind.name,
        purpose=kind.purpose,
        modes=list(kind.modes),
        state=State.ACTIVE,
        created_at=now,
        created_by_id=principal.user_id,
        service_account_id=principal.identity.service_account_id,
    )


@transaction.atomic
def _store(principal: Principal, key: Key, kind: KeyAlgorithm, policy_id: UUID | None = None) -> Key:
    # No epoch is raised, because no decision can depend on a key that did not exist.
    if policy_id is not None:
        policy_rules.take_over(lock_policy(policy_id), key)
    elif settings.CC_REQUIRE_POLICY:
        raise policy_rules.required_by_setting()
    key.next_rotation_at = lifecycle.next_rotation(key.effective_rotation_days, key.created_at)
    key.searched_text = searched_text(key.name, key.description, key.tags)
    key.save_with_mac()
    version = new_version(key, 1, kind, key.created_at)
    version.save_with_mac()
    record(
        key_event(actions.KEY_CREATED, key, version=1, meta={"default": key.is_default}),
        principal.actor,
        changes=[
            RowChange.of_row(key, after=trail.key_values(key)),
            RowChange.of_row(version, after=trail.version_values(version)),
        ],
    )
    lock_epoch()
    renew_principal(principal)  # a user whose rights have ended must not create a key
    return key


def _find_default(user_id: UUID, kind: KeyAlgorithm) -> Key | None:
    return Key.objects.filter(created_by_id=user_id, algorithm=kind.name, is_default=True).first()
