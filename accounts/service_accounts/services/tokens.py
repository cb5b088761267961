"""Service tokens: create, rotate and revoke. A token never has more rights than its owner."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts import actions
from accounts.models import ServiceAccount, ServiceToken, User
from accounts.models.service_accounts import TokenState
from accounts.origin import Origin, held_by
from accounts.principals import KEY_WORDS, MIGRATION, Principal
from accounts.roles import AUDITOR, Rights, word_of
from accounts.service_accounts.services.accounts import (
    find_client_secret,
    get_service_account,
    require_overlap,
)
from accounts.tokens.access_tokens import confirm_rights
from accounts.tokens.service_tokens import new_token, token_digest
from accounts.tokens.services.listing import MANAGE, list_tokens
from accounts.trail import reason_given
from audit.log.events import Actor, Event, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Conflict, Denied, Invalid, Unauthenticated
from kernel.freshness.epoch import lock_epoch, raise_epoch
from kernel.http.addresses import Networks
from kernel.identities import parse_uuid
from kernel.labels import label_fault
from kernel.trust.row_heads import find_current
from kernel.trust.row_state import delete_rows

MAX_NAME: Final = 64
MAX_LIFETIME: Final = timedelta(days=366)
_MAX_MIGRATION: Final = timedelta(hours=24)
_BAD_CREDENTIALS: Final = "The client credentials are not valid."
_ISSUED_LIFETIME: Final = timedelta(minutes=30)
_DELETED_AT_ONCE: Final = 100  # expired tokens, whose changes are in the bundle of the request
MAX_KEYS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """The rights of a new token. ``key_ids`` None: all keys of the owner. ``account_id`` None: a token of the caller."""

    name: str
    scopes: Collection[str]
    expires_at: datetime
    key_ids: Collection[UUID] | None = None
    networks: Sequence[str] = ()
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    token: ServiceToken
    text: str = field(repr=False)


def create_token(*, principal: Principal, request: TokenRequest) -> CreatedToken:
    """Create a token, whose text is returned only here. Raises Denied, RecentAuthRequired, Invalid, NotFound."""
    principal.require(MANAGE)
    now = database_now()
    principal.require_recent_sign_in(now)
    owner = _owner(principal, request.account_id)
    token = ServiceToken(
        name=request.name,
        scopes=_scopes(request.scopes, owner, has_keys=request.key_ids is not None),
        key_ids=None if request.key_ids is None else _key_ids(request.key_ids),
        networks=list(Networks.parse(request.networks).texts),
        created_at=now,
        expires_at=_expiry(request, now),
        subject_version=owner.subject_version,
        user=owner if isinstance(owner, User) else None,
        service_account=owner if isinstance(owner, ServiceAccount) else None,
    )
    if fault := label_fault(token.name, MAX_NAME):
        raise Invalid.of_field("name", fault)
    return _store(token, principal, actions.SERVICE_TOKEN_CREATED)


@transaction.atomic
def rotate_token(*, principal: Principal, token_id: UUID, overlap: timedelta) -> CreatedToken:
    """A new token with the rights and the lifetime of the old one, which stays valid for ``overlap``.

    Raises Denied, RecentAuthRequired, NotFound, Invalid, Conflict.
    """
    now = database_now()
    principal.require_recent_sign_in(now)
    require_overlap(overlap)
    old = _lock(principal, token_id)
    if old.user_id is not None and old.user_id != principal.user_id:
        # With the text of the new token, an administrator could act as this user.
        raise Denied("Only its owner can rotate the token of a user.", extra={"rule": "token-owner"})
    if old.state(now) != TokenState.ACTIVE:
        raise Conflict("This token has ended. Create a new token.")
    if old.rotated_at is not None:
        raise Conflict("This token was already rotated. Rotate the newer one, or create a token.")
    token = ServiceToken(
        name=old.name,
        scopes=old.scopes,
        key_ids=old.key_ids,
        networks=old.networks,
        created_at=now,
        expires_at=now + min(old.expires_at - old.created_at, MAX_LIFETIME),
        subject_version=old.subject_version,
        user=old.user,
        service_account=old.service_account,
    )
    created = _store(token, principal, actions.SERVICE_TOKEN_ROTATED, replaces=str(old.id))
    before = _token_values(old)
    old.rotated_at = now
    old.expires_at = min(old.expires_at, now + overlap)
    _save(old, principal, actions.SERVICE_TOKEN_CHANGED, before)
    return created


@transaction.atomic
def revoke_token(*, principal: Principal, token_id: UUID, reason: str = "") -> ServiceToken:
    """End a token immediately, in every process. Raises Denied, NotFound, Invalid."""
    token = _lock(principal, token_id, to_take_away=True)
    if token.revoked_at is None:
        before = _token_values(token)
        token.revoked_at = database_now()
        _save(token, principal, actions.SERVICE_TOKEN_REVOKED, before, **reason_given(reason))
    return token


@transaction.atomic
def revoke_own_token(*, principal: Principal) -> None:
    """End the token of the caller immediately, also an issued one. Raises Denied for a session, SessionEnded."""
    if principal.limits is None:
        raise Denied("Only a service token can end itself. Sign out to end a session.")
    rows = ServiceToken.objects.select_for_update().filter(pk=principal.limits.token_id)
    token = first_of(rows).check_mac()
    confirm_rights(principal)  # before the token ends
    before = _token_values(token)
    token.revoked_at = database_now()
    token.save_with_mac()
    change = RowChange.of_row(token, before=before, after=_token_values(token))
    record(_event(actions.SERVICE_TOKEN_REVOKED, token), principal.actor, changes=[change])
    raise_epoch(token.identity.entity)


def issue_token(
    *, client_id: str, client_secret: str, scopes: Collection[str], origin: Origin
) -> tuple[CreatedToken, timedelta]:
    """A short-lived token for a service account that proves itself with its client secret, and its lifetime.

    OAuth2 client credentials (RFC 6749 section 4.4). Without ``scopes``, the token has every permission of the role
    but ``users.manage`` and ``vault.manage``, which only a person gives.
    Raises Unauthenticated, Invalid, IntegrityFailed.
    """
    account, actor = _authenticated(client_id, client_secret, origin)
    with held_by(actor):
        if MIGRATION in scopes:
            raise Invalid.of_field("scopes", f"Sign in as a person to create a token with {MIGRATION}.")
        granted = _scopes(scopes or scopes_for(account.rights) - {"users.manage", MIGRATION}, account)
    now = database_now()
    token = ServiceToken(
        name="client credentials",
        scopes=granted,
        created_at=now,
        expires_at=now + _ISSUED_LIFETIME,
        is_issued=True,
        service_account=account,
    )
    text = new_token()
    token.token_hash = token_digest(text)
    with transaction.atomic():
        delete_rows(account.tokens.filter(is_issued=True, expires_at__lt=now)[:_DELETED_AT_ONCE])
        token.save_with_mac()
        record(_event(actions.SERVICE_TOKEN_ISSUED, token), actor)
        lock_epoch()
        _authenticated(client_id, client_secret, origin)  # a concurrent change may have ended the secret
    return CreatedToken(token, text), _ISSUED_LIFETIME


def _authenticated(client_id: str, client_secret: str, origin: Origin) -> tuple[ServiceAccount, Actor]:
    """The account, acting with this secret. One response for each refusal; the log names who had a genuine secret."""
    account_id = parse_uuid(client_id)
    account = find_current(ServiceAccount.objects.filter(pk__in=[account_id] if account_id else []))
    secret = None if account is None else find_client_secret(account, client_secret)
    if account is None or secret is None:
        raise Unauthenticated(_BAD_CREDENTIALS)
    known = {"auth_method": "client_credentials", "token_id": str(secret.pk)}
    actor = origin.service_account(account.id, account.name, **known)
    with held_by(actor):
        if not (account.is_active and secret.is_valid(database_now())):
            raise Unauthenticated(_BAD_CREDENTIALS)
    return account, actor


def _token_values(token: ServiceToken) -> dict[str, object]:
    """The declared fields for the audit log. None is secret."""
    return {
        "name": token.name,
        "owner_type": str(token.identity.type),
        "owner_id": token.identity.id,
        "scopes": token.scopes,
        "key_ids": token.key_ids,
        "networks": token.networks,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


def require_any_owner(principal: Principal) -> None:
    """Raises Denied unless the caller may create tokens of service accounts, not only their own."""
    if principal.scope(MANAGE) != "all":
        raise Denied("Creating tokens of service accounts needs tokens.manage on all objects.")


def _owner(principal: Principal, account_id: UUID | None) -> User | ServiceAccount:
    if account_id is None:
        return User.objects.get(pk=principal.person_id).check_mac()
    require_any_owner(principal)
    account = get_service_account(principal=principal, account_id=account_id)
    principal.require_rights(account.rights)
    return account


def scopes_for(rights: Rights) -> frozenset[str]:
    """The permissions that a token of an owner with these rights can have."""
    allowed = rights.permissions - {MANAGE}
    # An auditor's token reads, and changes nothing. An export is a job.
    return allowed - {"audit.export"} if rights.role == AUDITOR else allowed


def _scopes(scopes: Collection[str], owner: User | ServiceAccount, *, has_keys: bool = False) -> list[str]:
    allowed = scopes_for(owner.rights)
    if not scopes or len(set(scopes)) != len(scopes):
        raise Invalid.of_field("scopes", "Choose at least one scope, each once.")
    if unknown := sorted(set(scopes) - allowed):
        words = ", ".join(sorted(map(word_of, allowed)))
        raise Invalid.of_field(
            "scopes", f"The role {owner.role} does not have {word_of(unknown[0])}. Choose from: {words}."
        )
    if has_keys and (others := [word for word in sorted(scopes) if not word.startswith(KEY_WORDS)]):
        raise Invalid.of_field("scopes", f"A token for some keys cannot have {word_of(others[0])}.")
    return sorted(scopes)


def _key_ids(key_ids: Collection[UUID]) -> list[str]:
    if not 0 < len(key_ids) <= MAX_KEYS:
        raise Invalid.of_field(
            "keys", f"Choose 1 to {MAX_KEYS} keys, or omit this field for all keys of the owner."
        )
    return sorted(map(str, set(key_ids)))


def _expiry(request: TokenRequest, now: datetime) -> datetime:
    """The end of a new token. A migration token is short-lived, because it discloses keys."""
    expires_at = request.expires_at
    if not now < expires_at <= now + MAX_LIFETIME:
        raise Invalid.of_field("expires_at", f"Must be in the future, and within {MAX_LIFETIME.days} days.")
    if MIGRATION in request.scopes and expires_at > now + _MAX_MIGRATION:
        raise Invalid.of_field(
            "expires_at", f"A token with {MIGRATION} lasts at most 24 hours. Choose an earlier end."
        )
    return expires_at


def _store(token: ServiceToken, principal: Principal, action: str, **meta: object) -> CreatedToken:
    text = new_token()
    token.token_hash = token_digest(text)
    with transaction.atomic():
        token.save_with_mac()
        change = RowChange.of_row(token, after=_token_values(token))
        record(_event(action, token, **meta), principal.actor, changes=[change])
        lock_epoch()
        confirm_rights(principal)
    return CreatedToken(token, text)


def _lock(principal: Principal, token_id: UUID, *, to_take_away: bool = False) -> ServiceToken:
    visible = list_tokens(principal=principal).filter(pk=token_id).values("pk")
    token = first_of(ServiceToken.objects.select_for_update().filter(pk__in=visible)).check_mac()
    if token.identity != principal.identity:
        principal.require_rights(token.owner.rights, to_take_away=to_take_away)
    return token


def _save(
    token: ServiceToken, principal: Principal, action: str, before: dict[str, object], **meta: object
) -> None:
    token.save_with_mac()
    change = RowChange.of_row(token, before=before, after=_token_values(token))
    record(_event(action, token, **meta), principal.actor, changes=[change])
    raise_epoch(token.identity.entity)
    confirm_rights(principal)


def _event(action: str, token: ServiceToken, **meta: object) -> Event:
    return Event(action=action, object_type="service_token", object_id=str(token.id), meta=meta)
