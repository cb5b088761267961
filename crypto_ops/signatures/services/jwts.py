"""Sign JSON Web Tokens (RFC 7519) in the compact form (RFC 7515), for every interface. Decided as in ``signatures``."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decide_use, perform_measured
from crypto_ops.requests import MAX_CLAIMS_BYTES, MAX_JWT_HEADER_BYTES, Unprinted
from kernel.clock import process_now
from kernel.crypto.encoding import encode_base64url
from kernel.crypto.modes import SIGNING_MODES, Mode, SigningMode
from kernel.crypto.signing import Signer
from kernel.errors import Invalid
from keys.references import KeyReference
from keys.ring import primitives
from keys.transport import jose

# The server sets "alg" and "kid". A verifier could take keys or rules from the others (RFC 7515 §4.1, RFC 7797, RFC 7516).
_RESERVED: Final = frozenset({"alg", "b64", "crit", "enc", "jku", "jwk", "kid", "zip"})
_RESERVED_PREFIX: Final = "x5"
_TEXTS: Final = ("typ", "cty")

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN: Final = Mode("jwt")


class JwtRequest(Unprinted, frozen=True, kw_only=True):
    """``payload``: of ``payload_of``. ``header``: of ``header_of``. ``mode``: None for the key's default one.

    ``fully_specified``: whether ``alg`` is a name of RFC 9864, ``Ed25519`` or ``Ed448`` instead of ``EdDSA``.
    """

    key_id: KeyReference
    payload: bytes
    header: Mapping[str, Any]
    mode: SigningMode | None = None
    fully_specified: bool = False


class SignedJwt(Unprinted, frozen=True, kw_only=True):
    jwt: str
    kid: str
    mode: SigningMode
    key_id: UUID
    key_version: int


def payload_of(claims: Mapping[str, Any]) -> bytes:
    """The claims as compact JSON. Raises Invalid."""
    payload = _encode("claims", claims)
    if len(payload) > MAX_CLAIMS_BYTES:
        raise Invalid.of_field("claims", f"Must be at most {MAX_CLAIMS_BYTES} bytes of JSON.")
    return payload


def header_of(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members that the caller adds to the header. Raises Invalid."""
    if any(name in _RESERVED or name.startswith(_RESERVED_PREFIX) for name in header):
        names = ", ".join(sorted(_RESERVED))
        raise Invalid.of_field("header", f"Must not contain {names} or members that begin with x5.")
    for name in _TEXTS:
        if not isinstance(header.get(name, ""), str):
            raise Invalid.of_field("header", f"{name} must be a string.")
    if len(_encode("header", header)) > MAX_JWT_HEADER_BYTES:
        raise Invalid.of_field("header", f"Must be at most {MAX_JWT_HEADER_BYTES} bytes of JSON.")
    return header


def sign_jwt(request: JwtRequest, principal: Principal) -> SignedJwt:
    """Sign with the key's primary version. Raises refusals of the key, the principal or the audit log."""
    return perform_measured(request.mode or _UNKNOWN, principal, lambda context: decide_jwt(request, context))


def decide_jwt(request: JwtRequest, context: DecisionContext) -> Decision[SignedJwt]:
    """The decision; the token is signed when it is finished. Raises refusals."""
    use = (actions.JWT_SIGNED, request.key_id, request.mode, None)
    permit = context.recall(use) or decide_use(
        use,
        "crypto.jwt",
        primitives.signer,
        lambda entry: entry.require_protect(process_now()),
        context,
        protects=True,
        modes=SIGNING_MODES,
    )
    mode: SigningMode = permit.mode
    if mode.is_slow:
        context.admit_slow()
    algorithms = jose.algorithms_of(permit.entry.algorithm, fully_specified=request.fully_specified)
    if mode.name not in algorithms:
        raise Invalid.of_field(
            "signing_algorithm", f"A JWT of this key needs one of: {', '.join(algorithms)}."
        )
    finish = partial(_sign, request, permit, mode, algorithms[mode.name])
    return Decision(finish, permit.grounds, len(request.payload), context.request_id)


def _sign(request: JwtRequest, permit: Permit[Signer], mode: SigningMode, algorithm: str) -> SignedJwt:
    key_id, version = permit.entry.key_id, permit.version.number
    kid = jose.kid_of(key_id, version)
    header = {"typ": "JWT", **request.header, "alg": algorithm, "kid": kid}
    signed_part = f"{encode_base64url(_encode('header', header))}.{encode_base64url(request.payload)}"
    signature = permit.primitive.sign(signed_part.encode("ascii"), encoding="raw")
    return SignedJwt(
        jwt=f"{signed_part}.{encode_base64url(signature)}",
        kid=kid,
        mode=mode,
        key_id=key_id,
        key_version=version,
    )


def _encode(field: str, members: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:  # 1e400 is infinite
        raise Invalid.of_field(field, "A number is too large.") from None
