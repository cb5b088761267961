"""Public keys in the formats that other programs read: PEM (RFC 7468) and JWK (RFC 7517)."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from kernel.crypto import hybrid, key_pairs
from kernel.crypto.encoding import encode_base64url
from keys.models import KeyVersion

# RFC 8037, RFC 7518 and RFC 8812; an RSA key has several algorithms, so its JWK names none.
_JOSE: Final = MappingProxyType(
    {
        "ed25519": "EdDSA",
        "ed448": "EdDSA",
        "ec-p256": "ES256",
        "ec-p384": "ES384",
        "ec-p521": "ES512",
        "ec-secp256k1": "ES256K",
        "ml-dsa-44": "ML-DSA-44",
        "ml-dsa-65": "ML-DSA-65",
        "ml-dsa-87": "ML-DSA-87",
    }
)


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
            "kid": f"{version.key_id}:{version.version}",
            "use": "sig" if purpose == "sign" else "enc",
            **({"alg": _JOSE[algorithm]} if purpose == "sign" and algorithm in _JOSE else {}),
        },
    )


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
