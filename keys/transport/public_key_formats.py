"""Public keys in the formats that other programs read: PEM (RFC 7468) and JWK (RFC 7517)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from kernel.crypto.asymmetric import hybrid, key_pairs
from kernel.crypto.encoding import encode_base64url
from kernel.crypto.transit_types import type_of
from keys.models import Key, KeyVersion
from keys.transport import jose


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public key of one version. ``fingerprint``: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits."""

    key_id: UUID
    key_version: int
    algorithm: str
    fingerprint: str
    pem: str
    jwk: dict[str, Any]


def public_key_of(version: KeyVersion, choice: jose.AlgChoice) -> PublicKey:
    """``version`` is of an asymmetric key, and includes its key. All MACs have been checked.

    Raises Invalid for a choice that the key does not have.
    """
    document, key = bytes(version.public_key or b""), version.key
    algorithm = key.algorithm
    alg = jose.alg_of(key.kind, key.modes, key.protecting_modes, choice)
    return PublicKey(
        key_id=version.key_id,
        key_version=version.version,
        algorithm=algorithm,
        fingerprint=version.fingerprint,
        pem=key_pairs.encode_pem(document),
        jwk={
            **_members(algorithm, document),
            "kid": jose.kid_of(version.key_id, version.version),
            **_use(key),
            **({"alg": alg} if alg else {}),
        },
    )


def _use(key: Key) -> dict[str, str]:
    """Without ``use`` for transit keys: those of RSA sign and encrypt."""
    return {} if key.purpose == "transit" else {"use": "sig" if key.purpose == "sign" else "enc"}


def _members(algorithm: str, document: bytes) -> dict[str, Any]:
    if transit := type_of(algorithm):
        algorithm = transit.name.replace("ecdsa-", "ec-")
    if algorithm == hybrid.ALGORITHM:  # X-Wing has no JOSE algorithm yet
        return {"kty": "AKP", "pub": encode_base64url(hybrid.raw_public(document))}
    key: Any = key_pairs.load_public(algorithm, document)
    if algorithm.startswith("ml-"):  # RFC 9964 §4
        return {"kty": "AKP", "pub": encode_base64url(key.public_bytes_raw())}
    if algorithm == "x25519":  # RFC 8037 §2; PyJWT has no keys that do not sign
        return {"kty": "OKP", "crv": "X25519", "x": encode_base64url(key.public_bytes_raw())}
    if algorithm.startswith("rsa-"):
        found = RSAAlgorithm.to_jwk(key, as_dict=True)
        return {name: found[name] for name in ("kty", "n", "e")}
    if algorithm.startswith("ec-"):
        return ECAlgorithm.to_jwk(key, as_dict=True)
    return OKPAlgorithm.to_jwk(key, as_dict=True)
