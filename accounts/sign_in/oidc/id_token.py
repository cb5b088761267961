"""Verification of an ID token (OpenID Connect Core 1.0, section 3.1.3.7). PyJWT verifies the signature and the times."""

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from accounts.errors import IdTokenRefused

# Asymmetric only: with HS256, everyone who knows the client secret could sign, and "none" needs no key at all.
_HASHES: Mapping[str, str] = {
    **{f"{family}{size}": f"sha{size}" for family in ("RS", "PS", "ES") for size in (256, 384, 512)},
    "EdDSA": "sha512",
}
LEEWAY = 30  # seconds
_MAX_SIZE = 64 * 1024  # characters; the groups of a person can be many
_MAX_SUBJECT = 255
_MIN_RSA_BITS = 2048
_REQUIRED = ["iss", "sub", "aud", "exp", "iat"]

type _Claims = Mapping[str, Any]
type _FindKeys = Callable[[str | None], list[dict[str, Any]]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """``authenticated_since`` is a POSIX time, if the person had to sign in at the provider again."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    authenticated_since: float | None = None


def verify_id_token(token: str, find_keys: _FindKeys, expected: Expected) -> _Claims:
    """The claims of a valid token. Raises IdTokenRefused; the log has the reason."""
    try:
        return _verify(token, find_keys, expected)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        # Never the error's text, which may quote the token.
        reason = str(error) if isinstance(error, _Mismatch) else type(error).__name__
        logger.warning("An ID token was refused: %s", reason)
        raise IdTokenRefused from None


class _Mismatch(ValueError):
    """A value of the token differs from the expected one. The message is our own."""


def _verify(token: str, find_keys: _FindKeys, expected: Expected) -> _Claims:
    if len(token) > _MAX_SIZE:
        raise _Mismatch("size")
    header = jwt.get_unverified_header(token)
    algorithm = str(header.get("alg"))
    if algorithm not in _HASHES:
        raise _Mismatch("algorithm")
    claims: dict[str, Any] = jwt.decode(
        token,
        _choose_key(find_keys(header.get("kid")), algorithm),
        algorithms=[algorithm],
        issuer=expected.issuer,
        audience=expected.client_id,
        leeway=LEEWAY,
        options={"require": _REQUIRED},
    )
    _compare(claims, algorithm, expected)
    return claims


def _choose_key(keys: list[dict[str, Any]], algorithm: str) -> Any:
    """The only published key that may verify this algorithm. Its own type and ``alg`` bind it."""
    usable = []
    for key in keys:
        if key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
            continue
        try:
            usable.append(jwt.PyJWK(key, algorithm).key)
        except (jwt.PyJWTError, ValueError, TypeError):  # of another type, such as an RSA key for ES256
            continue
    if len(usable) != 1:
        raise _Mismatch("unknown key")
    (key,) = usable
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise _Mismatch("key size")
    return key


def _compare(claims: _Claims, algorithm: str, expected: Expected) -> None:
    subject, audience = claims["sub"], claims["aud"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or "\0" in subject:
        raise _Mismatch("subject")
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", "" if several else expected.client_id) != expected.client_id:
        raise _Mismatch("authorized party")
    if not _is_same(claims.get("nonce"), expected.nonce):
        raise _Mismatch("nonce")
    if "at_hash" in claims and not _is_same(claims["at_hash"], _half_hash(expected.access_token, algorithm)):
        raise _Mismatch("access token hash")
    since, authenticated = expected.authenticated_since, claims.get("auth_time")
    if since is not None and not (isinstance(authenticated, int | float) and authenticated >= since - LEEWAY):
        raise _Mismatch("time of authentication")


def _half_hash(access_token: str, algorithm: str) -> str:
    digest = hashlib.new(_HASHES[algorithm], access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _is_same(claim: object, value: str) -> bool:
    return isinstance(claim, str) and hmac.compare_digest(claim.encode(), value.encode())
