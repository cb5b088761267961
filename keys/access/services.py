"""Grants on keys and tags, and the rule that decides about the access of one holder."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.authorization import Verdict, authorize
from accounts.holders import find_holder
from accounts.models.roles import find_rights, roles_that_use_keys
from accounts.principals import Principal
from accounts.roles import GRANTABLE, Rights, permission_of, word_of
from accounts.tokens.access_tokens import confirm_rights
from accounts.trail import reason_given
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now, process_now
from kernel.databases.rows import first_of
from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import raise_epoch
from kernel.http.addresses import Networks
from kernel.identities import parse_uuid
from kernel.labels import label_fault
from kernel.trust.row_state import delete_rows
from keys import actions, capabilities, metadata
from keys.access.announcements import announce_tag_grant
from keys.changing import MANAGE, KeyResult, change_each, require_for_all_keys
from keys.entities import key_entity, tag_entity
from keys.lifecycle import operations_of
from keys.models import Key, KeyGrant
from keys.models.grants import ROLE
from keys.reading.services import get_key
from keys.ring import keyring
from keys.trail import grant_values

READ = "users.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """A new grant. ``operations`` are words such as ``encrypt``; ``principal_id`` is an id, or the name of a role."""

    principal_type: str
    principal_id: str
    operations: Collection[str]
    expires_at: datetime | None = None
    networks: Sequence[str] = ()
    reason: str = ""


def list_key_grants(*, principal: Principal, key_id: UUID) -> QuerySet[KeyGrant]:
    """The grants on one key, and those on its tags, oldest first. Raises Denied, NotFound."""
    principal.require(READ)
    return list_grants_on(principal=principal, key=get_key(principal=principal, key_id=key_id))


def list_grants_on(*, principal: Principal, key: Key) -> QuerySet[KeyGrant]:
    """The same for a visible key. Raises Denied."""
    principal.require(READ)
    on_tags = KeyGrant.objects.filter(tag__in=list(key.tags))
    return (KeyGrant.objects.filter(key=key.id) | on_tags).order_by("created_at", "id")


def list_tag_grants(*, principal: Principal) -> QuerySet[KeyGrant]:
    """The grants on tags, by tag. Raises Denied."""
    principal.require(READ)
    return KeyGrant.objects.exclude(tag="").order_by("tag", "created_at", "id")


@transaction.atomic
def grant_key(*, principal: Principal, key_id: UUID, request: GrantRequest) -> KeyGrant:
    """Grant operations with one key. Raises Denied, NotFound, Invalid."""
    principal.require(MANAGE)
    key = get_key(principal=principal, key_id=key_id)
    grant = _new_grant(principal, request)
    _require_possible(key, request.operations)
    grant.key_id = key.id
    return _finish(principal, actions.GRANT_CREATED, grant, before=None, reason=request.reason)


def grant_keys(*, principal: Principal, keys: Sequence[Key], request: GrantRequest) -> list[KeyResult]:
    """Grant on each key those of the operations that it supports. A failure does not stop the others.

    Raises Denied, Invalid.
    """
    principal.require(MANAGE)
    _new_grant(principal, request)

    def change(key: Key) -> bool:
        possible = operations_of(key.algorithm, key.purpose)
        chosen = [word for word in request.operations if word in possible]
        if not chosen:
            raise Invalid.of_field("operations", "The key supports none of these operations.")
        grant_key(principal=principal, key_id=key.id, request=replace(request, operations=chosen))
        return True

    return change_each(keys, change)


@transaction.atomic
def grant_tag(*, principal: Principal, tag: str, request: GrantRequest) -> KeyGrant:
    """Grant operations with all keys that have the tag, now or later. Raises Denied, Invalid."""
    require_for_all_keys(principal)
    if fault := label_fault(tag, metadata.MAX_TAG):
        raise Invalid.of_field("tag", fault)
    grant = _new_grant(principal, request)
    grant.tag = tag
    _finish(principal, actions.GRANT_CREATED, grant, before=None, reason=request.reason)
    announce_tag_grant(principal, grant)
    return grant


@transaction.atomic
def remove_grant(
    *, principal: Principal, grant_id: UUID, key_id: UUID | None = None, reason: str = ""
) -> None:
    """Remove a grant on the key, or on a tag without ``key_id``. It decides nothing from now on, in any process.

    Raises Denied, NotFound, Invalid.
    """
    if key_id is None:
        require_for_all_keys(principal)
    else:
        principal.require(MANAGE)
        get_key(principal=principal, key_id=key_id)
    grant = first_of(KeyGrant.objects.select_for_update().filter(pk=grant_id, key=key_id))
    _finish(principal, actions.GRANT_REMOVED, grant, before=grant_values(grant), reason=reason)


def check_access(
    *, principal: Principal, key_id: UUID, holder_id: UUID, operation: str, client_ip: str = ""
) -> Verdict:
    """Whether a user or service account may do ``operation`` with the key now, and the rule that decides.

    Rules are those of ``authorize``, ``disabled`` for a disabled holder, ``second_factor_required`` for a user who must
    set one up first, and ``state:<state>`` if the key's state forbids the operation. Raises Denied, NotFound, Invalid.
    """
    principal.require(READ)
    if operation not in GRANTABLE:
        raise Invalid.of_field("operation", f"Choose one of: {', '.join(GRANTABLE)}.")
    entry = keyring.find_current(key_id, principal)
    holder = find_holder(holder_id)
    if not holder.is_active:
        return Verdict(False, "disabled")
    if holder.must_enrol:
        return Verdict(False, "second_factor_required")
    now = process_now()
    verdict = authorize(holder, permission_of(operation), entry, now=now, client_ip=client_ip)
    at = entry.lifecycle_state(now)
    if verdict.is_allowed and operation not in capabilities.operations(entry, at.state):
        return Verdict(False, f"state:{at.state}")
    return verdict


def _new_grant(principal: Principal, request: GrantRequest) -> KeyGrant:
    now = database_now()
    if request.expires_at is not None and request.expires_at <= now:
        raise Invalid.of_field("expires_at", "Must be in the future.")
    _require_holder(request)
    return KeyGrant(
        principal_type=request.principal_type,
        principal_id=request.principal_id,
        operations=_permissions(request.operations),
        networks=list(Networks.parse(request.networks).texts),
        expires_at=request.expires_at,
        created_at=now,
        created_by_id=principal.user_id,
    )


def _require_holder(request: GrantRequest) -> None:
    if request.principal_type == ROLE:
        _require_role(request.principal_id)
        return
    holder_id = parse_uuid(request.principal_id)
    try:
        holder = find_holder(holder_id) if holder_id else None
    except NotFound:
        holder = None
    if holder is None or holder.identity.type != request.principal_type:
        kind = request.principal_type.replace("_", " ")
        raise Invalid.of_field("principal_id", f"There is no {kind} with this id.")
    _require_use(holder.rights)


def _require_role(name: str) -> None:
    """Raises Invalid if the role does not exist, or if a grant gives it nothing."""
    rights = find_rights(name)
    if rights is None:
        raise Invalid.of_field("principal_id", f"Choose one of: {', '.join(roles_that_use_keys())}.")
    _require_use(rights)


def _require_use(rights: Rights) -> None:
    """Raises Invalid if a grant gives the role nothing."""
    if not rights.use_keys:
        fault = f"The role {rights.role} cannot use keys, so this grant would give nothing."
        remedy = f"Choose a holder with another role: {', '.join(roles_that_use_keys())}."
        raise Invalid.of_field("principal_id", f"{fault} {remedy}")


def _require_possible(key: Key, words: Iterable[str]) -> None:
    """Raises Invalid for an operation that no key with this algorithm and purpose has."""
    possible = operations_of(key.algorithm, key.purpose)
    if unable := sorted(set(words) - set(possible)):
        fault = f"The key {key.name} does not support {', '.join(unable)}."
        raise Invalid.of_field("operations", f"{fault} Choose one or more of: {', '.join(possible)}.")


def _permissions(words: Collection[str]) -> list[str]:
    if not words or len(set(words)) != len(words) or not set(words) <= set(GRANTABLE):
        raise Invalid.of_field("operations", f"Choose one or more of: {', '.join(GRANTABLE)}.")
    return sorted(map(permission_of, words))


def _reject_duplicate(grant: KeyGrant) -> None:
    """Raises Invalid. Otherwise the removal of one of them would change nothing."""
    same = ("principal_type", "principal_id", "key_id", "tag")
    others = KeyGrant.objects.filter(**{name: getattr(grant, name) for name in same})
    rest = ("operations", "networks", "expires_at")
    if any(all(getattr(other, name) == getattr(grant, name) for name in rest) for other in others):
        raise Invalid.of_field("operations", "This grant already exists.")


def _finish(
    principal: Principal,
    action: str,
    grant: KeyGrant,
    *,
    before: dict[str, object] | None,
    reason: str = "",
) -> KeyGrant:
    """Save or delete the grant, record it, and raise the epoch of its key or tag."""
    if before is None:
        _reject_duplicate(grant)
        grant.save_with_mac()
        change = RowChange.of_row(grant, after=grant_values(grant))
    else:
        change = RowChange.of_row(grant, before=before)
        delete_rows(KeyGrant.objects.filter(pk=grant.pk))
    object_type, object_id = ("key", str(grant.key_id)) if grant.key_id else ("tag", grant.tag)
    meta = {"grant": grant.id, "operations": list(map(word_of, grant.operations)), **reason_given(reason)}
    event = Event(action=action, object_type=object_type, object_id=object_id, meta=meta)
    record(event, principal.actor, changes=[change])
    raise_epoch(key_entity(grant.key_id) if grant.key_id else tag_entity(grant.tag))
    if before is None and grant.principal_type == ROLE:
        _require_role(grant.principal_id)  # it may have been deleted
    confirm_rights(principal)
    return grant
