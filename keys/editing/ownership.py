"""The transfer of keys to another owner."""

from uuid import UUID

from django.db import transaction

from accounts.holders import find_holder
from accounts.models.roles import roles_that_use_keys
from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.errors import Invalid, NotFound, VersionConflict
from kernel.identities import Identity
from kernel.labels import check_reason
from keys import actions, trail
from keys.changing import MANAGE, MAX_CHANGED, KeyResult, change_each, finish_change, lock_key
from keys.errors import IllegalTransition
from keys.lifecycle import State
from keys.models import Key, KeyQuerySet


@transaction.atomic
def transfer_key(
    *,
    principal: Principal,
    key_id: UUID,
    owner_type: str,
    owner_id: UUID,
    reason: str,
    former: str | None = None,
) -> Key:
    """Give the key another owner. The former owner keeps only what a grant or their role allows.

    ``former``: the identity that owns the key (``user:<id>``), None for any. A default key is none after this. Raises
    Denied, RecentAuthRequired, NotFound, Invalid, VersionConflict, and IllegalTransition for a destroyed key.
    """
    principal.require(MANAGE)
    principal.require_recent_sign_in(database_now())
    check_reason(reason)
    key = lock_key(principal, key_id)
    if key.state == State.DESTROYED:
        raise IllegalTransition(
            "The key is destroyed. Its owner cannot change.",
            extra=key.lifecycle_state(database_now()).facts(),
        )
    owner, seen = _new_owner(owner_type, owner_id), key.owner
    if former is not None and seen.entity != former:
        raise VersionConflict("The owner of the key has changed since you opened this page.")
    if owner == seen:
        return key
    _change_owner(principal, key, owner, reason)
    return key


def _change_owner(principal: Principal, key: Key, owner: Identity, reason: str) -> None:
    before, former = trail.key_values(key), key.owner
    key.created_by_id, key.service_account_id = owner.user_id, owner.service_account_id
    key.is_default = False
    key.save_with_mac()
    meta: dict[str, object] = {
        "reason": reason,
        "owner_type": owner.type.value,
        "owner_id": str(owner.id),
        "former_owner_type": former.type.value,
        "former_owner_id": str(former.id or ""),
    }
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, actions.KEY_TRANSFERRED, key, [change], meta=meta)


def _new_owner(owner_type: str, owner_id: UUID) -> Identity:
    try:
        holder = find_holder(owner_id)
    except NotFound:
        holder = None
    if holder is None or holder.identity.type != owner_type:
        kind = owner_type.replace("_", " ")
        raise Invalid.of_field("owner_id", f"There is no {kind} with this ID.")
    if not holder.is_active:
        raise Invalid.of_field(
            "owner_id", f"{holder.name} is disabled. Enable them first, or choose another owner."
        )
    if not holder.rights.use_keys:
        roles = ", ".join(roles_that_use_keys())
        fault = f"The role {holder.role} cannot use keys. Choose an owner with another role: {roles}."
        raise Invalid.of_field("owner_id", fault)
    return holder.identity


def keys_to_transfer(*, principal: Principal, owner: Identity) -> KeyQuerySet:
    """The keys of a user or service account, except destroyed ones. Raises Denied."""
    principal.require(MANAGE)
    return Key.objects.visible_to(principal).owned_by(owner).exclude(state=State.DESTROYED).order_by("name")


def transfer_keys(
    *, principal: Principal, owner: Identity, owner_type: str, owner_id: UUID, reason: str
) -> list[KeyResult]:
    """Give the first ``MAX_CHANGED`` keys of ``owner`` another owner. A failure does not stop the others.

    Raises Denied, RecentAuthRequired, Invalid.
    """
    principal.require_recent_sign_in(database_now())
    keys = keys_to_transfer(principal=principal, owner=owner)[:MAX_CHANGED]
    check_reason(reason)
    if _new_owner(owner_type, owner_id) == owner:
        raise Invalid.of_field("owner_id", "Choose another owner.")

    def change(key: Key) -> bool:
        transfer_key(
            principal=principal,
            key_id=key.id,
            owner_type=owner_type,
            owner_id=owner_id,
            reason=reason,
            former=owner.entity,
        )
        return True

    return change_each(list(keys), change)
