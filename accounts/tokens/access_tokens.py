"""Access tokens: JWTs as specified in RFC 9068 (``at+jwt``), signed with RS256.

simplejwt creates and checks the claims, PyJWT the signature. The checks before them are stricter than either
library: one of our own keys by its ``kid``, and one format (``token_format``).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.types import Options
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts.errors import SessionEnded, TokenExpired
from accounts.models import BrowserSession, ServiceAccount, TokenFamily, User
from accounts.origin import Origin, held_by
from accounts.principals import ROLES_ENTITY, SIGNING_KEYS, Principal, user_entity
from accounts.roles import SYSTEM
from accounts.tokens import service_tokens, signing_keys, verified_tokens
from accounts.tokens.signing_keys import KeySet
from accounts.tokens.token_format import ALGORITHM, TYPE, read_claims, read_header
from audit.log.events import Actor
from kernel.clock import process_now
from kernel.errors import Unauthenticated
from kernel.freshness.epoch import read_stamp
from kernel.freshness.stamps import StaleDecision
from kernel.observability.metrics import token_refusals_total
from kernel.trust.row_heads import find_current

BAD_TOKEN = "The access token is not valid."  # noqa: S105 - a sentence

_WITHOUT_TIMES: Final[Options] = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
_CLAIMS: Mapping[str, type] = {
    "iss": str,
    "aud": str,
    "sub": str,
    "jti": str,
    "iat": int,
    "nbf": int,
    "exp": int,
    "auth_time": int,
    "sid": str,
    "subject_version": int,
}


class _SigningBackend(TokenBackend):
    """simplejwt's backend, with the key chosen by ``kid`` from our own key set. ``_AccessToken`` compares the times."""

    def __init__(self, keys: KeySet) -> None:
        super().__init__(
            ALGORITHM,
            audience=api_settings.AUDIENCE,
            issuer=api_settings.ISSUER,
        )
        self.keys = keys

    def encode(self, payload: dict[str, Any]) -> str:
        kid = self.keys.active_kid
        return jwt.encode(
            payload | {"iss": self.issuer, "aud": self.audience},
            signing_keys.signer(kid),
            algorithm=ALGORITHM,
            headers={"kid": kid, "typ": TYPE},
        )

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002, ARG002 - simplejwt's signature
        try:
            return jwt.decode(
                token,
                self.get_verifying_key(token),
                algorithms=[ALGORITHM],
                audience=self.audience,
                issuer=self.issuer,
                options=_WITHOUT_TIMES,
            )
        except jwt.InvalidTokenError as error:
            raise TokenBackendError("claims or signature") from error

    def get_verifying_key(self, token: Any) -> RSAPublicKey:
        header = read_header(token)
        if not self.keys.is_trusted(header["kid"], process_now()):
            raise TokenBackendError("unknown key")
        return self.keys.verification_keys[header["kid"]].public_key


class _AccessToken(simplejwt.AccessToken):
    """A new access token, or a verified one, perhaps expired, if ``text`` is given. Raises simplejwt's TokenError.

    The libraries use the clock of the node, so this class sets and compares the times.
    """

    def __init__(self, text: str | None = None, *, keys: KeySet) -> None:
        self._token_backend = _SigningBackend(keys)
        super().__init__(text)  # type: ignore[arg-type]  # simplejwt annotates the encoded text as a Token
        if text is None:
            now = process_now()
            self.set_iat(at_time=now)
            self.set_exp(from_time=now)

    def verify(self) -> None:
        self.verify_token_type()
        for claim, kind in _CLAIMS.items():
            if type(self.payload.get(claim)) is not kind:
                raise TokenError(f"claim {claim}")
        if max(self.payload["iat"], self.payload["nbf"]) > process_now().timestamp() + api_settings.LEEWAY:
            raise TokenError("not valid yet")


def issue_access_token(family: TokenFamily, keys: KeySet) -> tuple[str, int]:
    """A signed access token of the family and its lifetime in whole seconds. It never outlives the family."""
    token = _AccessToken(keys=keys)
    issued_at, expires_at = token["iat"], min(token["exp"], int(family.expires_at.timestamp()))
    token.payload |= {
        "sub": str(family.user_id),
        "nbf": issued_at,
        "exp": expires_at,
        "auth_time": int(family.auth_time.timestamp()),
        "sid": str(family.id),
        "subject_version": family.subject_version,
    }
    return str(token), expires_at - issued_at


def authenticate_bearer(text: str, origin: Origin, *about: str) -> Principal:
    """The principal of an access token or a service token, with the owner's current state from the database.

    The stamp also covers the entities in ``about``. Raises TokenExpired; Unauthenticated for a token that is
    malformed, forged or revoked, or whose user is disabled or signed out; IntegrityFailed if a row was altered.
    """
    try:
        if text.startswith(service_tokens.PREFIX):
            return service_tokens.authenticate_service_token(text, origin, about)
        return authenticate_access_token(text, origin, *about)
    except Unauthenticated as error:
        token_refusals_total.labels(reason=error.code).inc()
        raise


def authenticate_known_bearer(text: str, origin: Origin) -> Principal:
    """Like ``authenticate_bearer``, without a statement if this process has verified the token.

    The principal's rights are then as they were at that time. Compare the stamp before you use them for a response: by
    a commit (``audit.commit.writer``), or with ``accounts.tokens.authentication.require_current_rights``. After a comparison
    that finds a change, the token is verified again.
    """
    known = verified_tokens.find(text, process_now())
    if known is not None and known.stamp is not None and known.stamp.is_usable:
        return replace(known, actor=origin.actor_like(known.actor))
    verified_tokens.forget(text)
    principal = authenticate_bearer(text, origin)
    verified_tokens.remember(text, principal)
    return principal


def renew_principal(principal: Principal) -> Principal:
    """The same caller with current rights. Call it before repeating a decision.

    Raises SessionEnded if the caller's rights have ended: another role always ends them, and an emergency rotation
    ends every token that the old signing key signed.
    """
    if principal.limits is not None:
        return service_tokens.renew_token_principal(principal, principal.limits)
    if principal.identity.id is None:
        return principal
    stamp = read_stamp(principal.identity.entity, SIGNING_KEYS, ROLES_ENTITY)
    if principal.family_id is not None:
        holder: ServiceAccount | User = _require_open(
            _find_family(principal.family_id, principal.user_id)
        ).user
        if not signing_keys.key_set(stamp).is_trusted(principal.signing_kid, process_now()):
            raise SessionEnded
    elif principal.browser_session_id is not None:
        holder = _require_browser_session(principal.browser_session_id, principal)
    elif principal.role == SYSTEM:
        return replace(principal, stamp=stamp)
    else:
        holder = _require_unchanged(principal, principal.identity.id)
    return replace(
        principal,
        rights=holder.rights,
        permissions=holder.permissions,
        must_enrol=holder.must_enrol,
        stamp=stamp,
    )


def confirm_rights(principal: Principal) -> None:
    """Check the rights of the caller of a change again, with the epoch locked: they may have ended while it waited for its locks.

    Raises SessionEnded as ``renew_principal`` does, and StaleDecision if the role lost a permission.
    """
    if principal.rights.excess_over(renew_principal(principal).rights):
        raise StaleDecision(frozenset({ROLES_ENTITY}))


def _require_unchanged(principal: Principal, account_id: UUID) -> ServiceAccount | User:
    """For the requester of a job, who has no session. Raises SessionEnded."""
    account: ServiceAccount | User | None = (
        find_current(ServiceAccount.objects.filter(pk=account_id))
        if principal.user_id is None
        else find_current(User.objects.filter(pk=account_id))
    )
    if account is None or not account.is_active or account.role != principal.role:
        raise SessionEnded
    return account


def authenticate_access_token(text: str, origin: Origin, *about: str) -> Principal:
    """Like ``authenticate_bearer``, for access tokens only. A refusal is not counted."""
    user_id = _claimed_user(text)
    # Read the stamp before the rows, so that any later change makes the principal stale.
    stamp = read_stamp(user_entity(user_id), SIGNING_KEYS, ROLES_ENTITY, *about)
    claims = _verify(text, signing_keys.key_set(stamp))
    found = _find_family(UUID(claims["sid"]), user_id)
    actor = _holder(found, user_id, claims["jti"], origin)
    with held_by(actor):
        if claims["exp"] <= process_now().timestamp():
            raise TokenExpired
        family = _require_open(found)
    user = family.user
    return Principal(
        actor=actor,
        identity=user.identity,
        rights=user.rights,
        permissions=user.permissions,
        must_enrol=user.must_enrol,
        has_second_factor=family.auth_methods.startswith("password+"),
        subject_version=user.subject_version,
        revision=user.revision,
        family_id=family.id,
        auth_time=family.auth_time,
        signing_kid=read_header(text)["kid"],
        not_after=datetime.fromtimestamp(claims["exp"], UTC),
        stamp=stamp,
    )


def _find_family(family_id: UUID, user_id: UUID | None) -> TokenFamily | None:
    found = TokenFamily.objects.select_related("user").filter(pk=family_id, user=user_id)
    return find_current(found, "user")


def _require_open(family: TokenFamily | None) -> TokenFamily:
    """Raises SessionEnded, also if the family was deleted."""
    if family is None:
        raise SessionEnded
    family.require_open()
    return family


def _holder(family: TokenFamily | None, user_id: UUID, token_id: str, origin: Origin) -> Actor:
    """The user of a verified token. Expired families are deleted, and a restored backup may lack family and user."""
    if family is not None:
        name, auth_method = family.user.username, family.auth_methods
    else:
        user = User.objects.filter(pk=user_id).first()
        name, auth_method = "" if user is None else user.check_mac().username, ""
    return origin.user(user_id, name, auth_method=auth_method, token_id=token_id)


def _require_browser_session(session_id: UUID, principal: Principal) -> User:
    """Raises SessionEnded if the session has ended or expired, or if the user's sessions were ended since."""
    found = BrowserSession.objects.select_related("user").filter(id=session_id, user=principal.user_id)
    row = find_current(found.filter(expire_date__gt=process_now()), "user")
    user = None if row is None else row.user
    if user is None or not user.is_active or user.subject_version != principal.subject_version:
        raise SessionEnded
    return user


def _claimed_user(text: str) -> UUID:
    """The user ID in the unverified token. Use it only to choose the epochs to read."""
    try:
        return UUID(read_claims(text)["sub"])
    except (TokenBackendError, KeyError, ValueError, TypeError, AttributeError):
        raise Unauthenticated(BAD_TOKEN) from None


def _verify(text: str, keys: KeySet) -> dict[str, Any]:
    """The claims of a genuine token, perhaps expired. Raises Unauthenticated."""
    try:
        return _AccessToken(text, keys=keys).payload
    except TokenError:
        raise Unauthenticated(BAD_TOKEN) from None
