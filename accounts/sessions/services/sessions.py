"""Open and end sessions. A session of an API client is a family of single-use refresh tokens."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from accounts import actions, login_attempts
from accounts.errors import BadRefreshToken, RefreshTokenUsed, SessionEnded
from accounts.models import LONGEST_USER_AGENT, RefreshToken, TokenFamily, User
from accounts.origin import Origin, held_by
from accounts.principals import user_entity
from accounts.tokens import signing_keys
from accounts.tokens.access_tokens import issue_access_token
from accounts.tokens.signing_keys import KeySet
from accounts.trail import user_event
from audit.log.events import Actor, Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.freshness.epoch import raise_epoch
from kernel.trust.row_heads import find_current
from kernel.trust.row_state import delete_rows, update_state

_PREFIX = "ccr_"  # lets secret scanners recognize a token
_TOKEN_BYTES = 32
RETRY_WINDOW = timedelta(seconds=10)  # a second use within this time is a client's retry, not theft


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The tokens that a sign-in or a refresh returns. ``expires_in`` is the access token's lifetime in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    user: User


def open_session(user: User, auth_method: str, origin: Origin) -> TokenPair:
    """Create a token family for a user whose credentials were verified.

    Raises SessionEnded if the user was disabled or signed out since.
    """
    keys = signing_keys.key_set()
    with transaction.atomic():
        now = database_now()
        user = User.objects.lock_unchanged(user)
        delete_rows(TokenFamily.objects.filter(user=user, expires_at__lt=now))
        family = TokenFamily(
            user=user,
            subject_version=user.subject_version,
            auth_methods=auth_method,
            auth_time=now,
            expires_at=now + timedelta(days=settings.CC_REFRESH_TOKEN_DAYS),
            client_ip=origin.client_ip,
            user_agent=origin.user_agent[:LONGEST_USER_AGENT],
        )
        family.save_with_mac()
        refresh_token = _add_refresh_token(family)
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        record(_event(actions.SESSION_OPENED, family), _actor(family, origin))
    return _pair(family, refresh_token, keys)


def refresh(*, refresh_token: str, origin: Origin) -> TokenPair:
    """Exchange an unused refresh token for a new pair. Of several parallel uses, one succeeds.

    Raises Unauthenticated for an unknown token, a used token and an ended session. A use more than ten seconds
    after the first also revokes the whole family, because one of the two users must be a thief.
    """
    token = _find(refresh_token)
    try:
        return _exchange(token, origin)
    except RefreshTokenUsed:
        _revoke_if_stolen(token, origin)
        raise


def sign_out(*, refresh_token: str, everywhere: bool = False, origin: Origin) -> None:
    """End the token's family with its access tokens. With ``everywhere``, end every session of the user.

    A used token still ends its family, but is refused with ``everywhere``. Raises Unauthenticated.
    """
    token = _find(refresh_token)
    with transaction.atomic():
        family = _lock_family(token)
        actor = _actor(family, origin)
        if everywhere:
            with held_by(actor):
                _require_current(token, family)
            family.user.subject_version += 1
            family.user.save_with_mac(update_fields=["subject_version"])
            record(user_event(actions.USER_SIGNED_OUT, family.user_id), actor)
        if family.revoked_at is None:
            revoke_family(family)
            record(_event(actions.SESSION_CLOSED, family), actor)
            raise_epoch(user_entity(family.user_id))


def open_browser_session(user: User, auth_method: str, origin: Origin) -> User:
    """Record the browser session of a user whose credentials were verified. Django may open it for the returned user.

    Raises SessionEnded if the user was disabled or signed out since.
    """
    with transaction.atomic():
        user = User.objects.lock_unchanged(user)
        login_attempts.reset(login_attempts.PASSWORD, user.username)
        record(
            user_event(actions.SESSION_OPENED, user.id),
            origin.user(user.id, user.username, auth_method=auth_method),
        )
    return user


@transaction.atomic
def sign_out_of_browser(*, user: User, origin: Origin) -> None:
    """Record the end of a browser session. Django ends it."""
    record(user_event(actions.SESSION_CLOSED, user.id), origin.user(user.id, user.username))


def _find(refresh_token: str) -> RefreshToken:
    token = find_current(
        RefreshToken.objects.select_related("family").filter(token_hash=_hash(refresh_token))
    )
    if token is None:
        raise BadRefreshToken
    return token


def _exchange(token: RefreshToken, origin: Origin) -> TokenPair:
    """The new pair. Raises SessionEnded, and RefreshTokenUsed."""
    keys = signing_keys.key_set()
    with transaction.atomic():
        family = _lock_family(token)
        actor, now = _actor(family, origin), database_now()
        with held_by(actor):
            family.require_open()
            if now >= family.expires_at:
                raise SessionEnded
            if token.used_at is not None or not update_state(token, used_at=now):
                raise RefreshTokenUsed
        TokenFamily.objects.filter(pk=family.pk).update(  # noqa: CC3 - last use of a family
            refreshed_at=now, client_ip=origin.client_ip, user_agent=origin.user_agent[:LONGEST_USER_AGENT]
        )
        refresh_token = _add_refresh_token(family)
        record(_event(actions.SESSION_REFRESHED, family), actor)
    return _pair(family, refresh_token, keys)


def _revoke_if_stolen(token: RefreshToken, origin: Origin) -> None:
    with transaction.atomic():
        family = _lock_family(token)
        token.refresh_from_db(fields=["used_at"])
        is_retry = token.used_at is None or database_now() - token.used_at <= RETRY_WINDOW
        if is_retry or family.revoked_at is not None:
            return
        revoke_family(family)
        record(_event(actions.FAMILY_REVOKED, family, reason="refresh_token_reused"), _actor(family, origin))
        raise_epoch(user_entity(family.user_id))


def _lock_family(token: RefreshToken) -> TokenFamily:
    """The token's family. Locks its user, which blocks every other change of either until the transaction ends."""
    user = User.objects.lock(token.family.user_id)
    family = find_current(TokenFamily.objects.filter(pk=token.family_id))
    if family is None:
        raise SessionEnded
    family.user = user
    return family


def _require_current(token: RefreshToken, family: TokenFamily) -> None:
    family.require_open()
    if not RefreshToken.objects.filter(pk=token.pk, used_at=None).exists():
        raise RefreshTokenUsed


def _add_refresh_token(family: TokenFamily) -> str:
    text = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
    RefreshToken(family=family, token_hash=_hash(text)).save_with_mac()
    return text


def revoke_family(family: TokenFamily) -> None:
    """End a family. The caller must have locked its user, and must record the event."""
    family.revoked_at = database_now()
    family.save_with_mac(update_fields=["revoked_at"])


def _pair(family: TokenFamily, refresh_token: str, keys: KeySet) -> TokenPair:
    access_token, expires_in = issue_access_token(family, keys)
    return TokenPair(
        access_token=access_token, refresh_token=refresh_token, expires_in=expires_in, user=family.user
    )


def _hash(refresh_token: str) -> str:
    return hashlib.sha256(refresh_token.encode()).hexdigest()


def _actor(family: TokenFamily, origin: Origin) -> Actor:
    user = family.user
    return origin.user(user.id, user.username, auth_method=family.auth_methods, token_id=str(family.id))


def _event(action: str, family: TokenFamily, **meta: str) -> Event:
    return Event(action=action, object_type="session", object_id=str(family.id), meta=meta)
