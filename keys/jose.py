"""Names of signing algorithms and keys in JOSE: RFC 7518, RFC 8037, RFC 8812, draft-ietf-cose-dilithium."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

_OF_RSA: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"rsa-{scheme}-sha{size}": f"{letters}{size}"
        for scheme, letters in (("pss", "PS"), ("pkcs1", "RS"))
        for size in (256, 384, 512)
    }
)
# By key algorithm and signing mode. JOSE binds each curve to one hash function.
_ALGORITHMS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ed25519": {"ed25519": "EdDSA"},
        "ed448": {"ed448": "EdDSA"},
        "ec-p256": {"ecdsa-sha256": "ES256"},
        "ec-p384": {"ecdsa-sha384": "ES384"},
        "ec-p521": {"ecdsa-sha512": "ES512"},
        "ec-secp256k1": {"ecdsa-sha256": "ES256K"},
        "rsa-3072": _OF_RSA,
        "rsa-4096": _OF_RSA,
        "ml-dsa-44": {"ml-dsa-44": "ML-DSA-44"},
        "ml-dsa-65": {"ml-dsa-65": "ML-DSA-65"},
        "ml-dsa-87": {"ml-dsa-87": "ML-DSA-87"},
    }
)


def algorithms_of(key_algorithm: str) -> Mapping[str, str]:
    """The JOSE algorithm of each signing mode that has one; empty for keys that do not sign."""
    return _ALGORITHMS.get(key_algorithm, {})


def kid_of(key_id: UUID, version: int) -> str:
    """The ``kid`` of a version, in its JWK and in its signatures."""
    return f"{key_id}:{version}"
