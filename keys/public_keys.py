"""Public keys in the formats that other programs read: PEM (RFC 7468) and JWK (RFC 7517)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from kernel.crypto import hybrid, key_pairs
from kernel.crypto.encoding import encode_base64url
from keys import jose
from keys.models import KeyVersion


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public key of one version. ``fingerprint``: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal digits."""

    key_id: UUID
    key_version: int
    algorithm: str
    fingerprint: str
    pem: str
    jwk: dict[str, Any]


def public_key_of(version: KeyVersion) -> PublicKey:
    """``version`` is of an asymmetric key, and includes its key. Both MACs have been checked."""
    document = bytes(version.public_key or b"")
    algorithm, purpose = version.key.algorithm, version.key.purpose
    return PublicKey(
        key_id=version.key_id,
        key_version=version.version,
        algorithm=algorithm,
        fingerprint=version.fingerprint,
        pem=key_pairs.encode_pem(document),
        jwk={
            **_members(algorithm, document),
            "kid": jose.kid_of(version.key_id, version.version),
            "use": "sig" if purpose == "sign" else "enc",
            **(_alg(algorithm) if purpose == "sign" else {}),
        },
    )


def _alg(algorithm: str) -> dict[str, str]:
    """The algorithm of the JWK, unless the key has several, as RSA keys do."""
    found = list(jose.algorithms_of(algorithm).values())
    return {"alg": found[0]} if len(found) == 1 else {}


def _members(algorithm: str, document: bytes) -> dict[str, Any]:
    if algorithm == hybrid.ALGORITHM:  # X-Wing has no JOSE algorithm yet
        return {"kty": "AKP", "pub": encode_base64url(hybrid.raw_public(document))}
    key: Any = key_pairs.load_public(algorithm, document)
    if algorithm.startswith("ml-"):  # draft-ietf-cose-dilithium §4
        return {"kty": "AKP", "pub": encode_base64url(key.public_bytes_raw())}
    if algorithm == "x25519":  # RFC 8037 §2; PyJWT has no keys that do not sign
        return {"kty": "OKP", "crv": "X25519", "x": encode_base64url(key.public_bytes_raw())}
    if algorithm.startswith("rsa-"):
        found = RSAAlgorithm.to_jwk(key, as_dict=True)
        return {name: found[name] for name in ("kty", "n", "e")}
    if algorithm.startswith("ec-"):
        return ECAlgorithm.to_jwk(key, as_dict=True)
    return OKPAlgorithm.to_jwk(key, as_dict=True)
