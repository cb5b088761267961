"""Service tokens: opaque bearer tokens ``cct_<64 hex digits><8 hex digits>``, with 256 random bits and a CRC-32.

The prefix and the checksum let secret scanners find leaked tokens and let the server reject other texts without a
query. Only the SHA-256 of a token is stored.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import replace
from typing import Final
from uuid import UUID

from accounts.authorization import TokenLimits
from accounts.errors import TokenExpired, TokenRevoked
from accounts.models import ServiceAccount, ServiceToken
from accounts.origin import Origin, held_by
from accounts.principals import ROLES_ENTITY, Principal
from audit.log.events import Actor
from audit.sequencing.token_uses import SERVICE_TOKEN
from kernel.clock import process_now
from kernel.errors import Denied, Unauthenticated
from kernel.freshness.epoch import read_stamp
from kernel.http.addresses import Networks
from kernel.trust.row_heads import find_current

PREFIX: Final = "cct_"
_AUTH_METHOD: Final = SERVICE_TOKEN
BAD_TOKEN: Final = "The service token is not valid."  # noqa: S105 - a sentence

_SHAPE = re.compile(f"{PREFIX}([0-9a-f]{{64}})([0-9a-f]{{8}})", re.ASCII)


def new_token() -> str:
    body = secrets.token_hex(32)
    return f"{PREFIX}{body}{_checksum(body)}"


def token_digest(text: str) -> str:
    """The stored hash of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def authenticate_service_token(text: str, origin: Origin, about: tuple[str, ...]) -> Principal:
    """The principal of a service token, with the owner's current state from the database.

    The stamp also covers the entities in ``about``. The caller then calls ``require_network``. Raises Unauthenticated,
    TokenRevoked, TokenExpired, IntegrityFailed.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None or _checksum(shape[1]) != shape[2]:
        raise Unauthenticated(BAD_TOKEN)
    known = ServiceToken.objects.filter(token_hash=token_digest(text)).first()
    if known is None:
        raise Unauthenticated(BAD_TOKEN)
    # Read the stamp before the rows, so that any later change makes the principal stale. A token keeps its owner.
    stamp = read_stamp(known.identity.entity, ROLES_ENTITY, *about)
    token = _read(known.id)
    actor = _actor(token, origin)
    with held_by(actor):
        _require_valid(token)
    limits = _limits_of(token)
    owner = token.owner
    return Principal(
        actor=actor,
        identity=token.identity,
        rights=owner.rights,
        permissions=owner.permissions & limits.scopes,
        must_enrol=owner.must_enrol,
        not_after=token.expires_at,
        limits=limits,
        stamp=stamp,
    )


def renew_token_principal(principal: Principal, limits: TokenLimits) -> Principal:
    """The same caller with the current rights of the token's owner, until the current end of the token.

    Raises TokenRevoked if the token was revoked or its owner disabled, TokenExpired, IntegrityFailed.
    """
    stamp = read_stamp(principal.identity.entity, ROLES_ENTITY)
    token = _read(limits.token_id)
    _require_valid(token)
    owner = token.owner
    return replace(
        principal,
        rights=owner.rights,
        permissions=owner.permissions & limits.scopes,
        must_enrol=owner.must_enrol,
        not_after=token.expires_at,
        stamp=stamp,
    )


def require_network(principal: Principal, client_ip: str) -> None:
    """Raises Denied if the caller's token is limited to other networks. Call it for every request: addresses change."""
    limits = principal.limits
    if limits is not None and not limits.networks.include(client_ip):
        raise Denied("This token is limited to other networks.", extra={"rule": limits.rule})


def _read(token_id: UUID) -> ServiceToken:
    """The token with its owner. Raises TokenRevoked if it was deleted, IntegrityFailed."""
    found = ServiceToken.objects.select_related("user", "service_account").filter(pk=token_id)
    token = find_current(found, "user", "service_account")
    if token is None:
        raise TokenRevoked
    return token


def _require_valid(token: ServiceToken) -> None:
    if token.is_revoked or not token.owner.is_active:
        raise TokenRevoked
    if token.expires_at <= process_now():
        raise TokenExpired


def _limits_of(token: ServiceToken) -> TokenLimits:
    return TokenLimits(
        token_id=token.id,
        scopes=frozenset(token.scopes),
        key_ids=None if token.key_ids is None else frozenset(map(UUID, token.key_ids)),
        networks=Networks(tuple(token.networks)),
    )


def _actor(token: ServiceToken, origin: Origin) -> Actor:
    known = {"auth_method": _AUTH_METHOD, "token_id": str(token.id)}
    owner = token.owner
    if isinstance(owner, ServiceAccount):
        return origin.service_account(owner.id, owner.name, **known)
    return origin.user(owner.id, owner.username, **known)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
