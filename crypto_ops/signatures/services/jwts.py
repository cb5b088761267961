"""Sign JSON Web Tokens (RFC 7519) in the compact form (RFC 7515), for every interface. Decided as in ``signatures``."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import KeyRequest, protecting_permit
from crypto_ops.requests import MAX_CLAIMS_BYTES, MAX_JWT_HEADER_BYTES, Unprinted
from kernel.crypto.asymmetric.signing import Signer
from kernel.crypto.encoding import encode_base64url
from kernel.crypto.modes import SIGNING_MODES, SigningMode
from kernel.errors import Invalid
from keys.references import KeyReference
from keys.ring import primitives
from keys.transport import jose

# The server sets "alg" and "kid". A verifier could take keys or rules from the others (RFC 7515 §4.1, RFC 7797, RFC 7516).
_RESERVED: Final = frozenset({"alg", "b64", "crit", "enc", "jku", "jwk", "kid", "zip"})
_RESERVED_PREFIX: Final = "x5"
_TEXTS: Final = ("typ", "cty")


class SignedJwt(Unprinted, frozen=True, kw_only=True):
    jwt: str
    kid: str
    mode: SigningMode
    key_id: UUID
    key_version: int


class JwtRequest(KeyRequest[SignedJwt], frozen=True, kw_only=True):
    """``payload``: of ``payload_of``. ``header``: of ``header_of``.

    ``fully_specified``: whether ``alg`` is a name of RFC 9864, ``Ed25519`` or ``Ed448`` instead of ``EdDSA``.
    """

    unknown_mode: ClassVar = "jwt"

    key_id: KeyReference
    payload: bytes
    header: Mapping[str, Any]
    mode: SigningMode | None = None
    fully_specified: bool = False

    def decide(self, context: DecisionContext) -> Decision[SignedJwt]:
        """The token is signed when the decision is finished."""
        use = (actions.JWT_SIGNED, self.key_id, self.mode, None)
        permit = context.recall(use) or protecting_permit(
            use, "crypto.jwt", primitives.signer, context, SIGNING_MODES
        )
        if permit.mode.is_slow:
            context.admit_slow()
        algorithms = jose.algorithms_of(permit.entry.algorithm, fully_specified=self.fully_specified)
        algorithm = algorithms.get(permit.mode.name)
        if algorithm is None:
            raise Invalid.of_field(
                "signing_algorithm", f"A JWT of this key needs one of: {', '.join(algorithms)}."
            )
        return _Signing(
            permit.grounds,
            len(self.payload),
            context.request_id,
            request=self,
            permit=permit,
            algorithm=algorithm,
        )


class _Signing(Decision[SignedJwt], frozen=True, kw_only=True):
    request: JwtRequest
    permit: Permit[Signer]
    algorithm: str

    def finish(self) -> SignedJwt:
        request, permit = self.request, self.permit
        key_id, version = permit.entry.key_id, permit.version.number
        kid = jose.kid_of(key_id, version)
        header = {"typ": "JWT", **request.header, "alg": self.algorithm, "kid": kid}
        signed_part = f"{encode_base64url(_encode('header', header))}.{encode_base64url(request.payload)}"
        signature = permit.primitive.sign(signed_part.encode("ascii"), encoding="raw")
        return SignedJwt(
            jwt=f"{signed_part}.{encode_base64url(signature)}",
            kid=kid,
            mode=permit.mode,
            key_id=key_id,
            key_version=version,
        )


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


def _encode(field: str, members: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:  # 1e400 is infinite
        raise Invalid.of_field(field, "A number is too large.") from None
