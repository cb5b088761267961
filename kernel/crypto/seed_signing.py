"""Signing for the installation itself: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204, pure, hedged, empty context).

The private key of either is a seed of 32 random bytes, which is wrapped and stored. The library derives the rest of
the key from it (RFC 8032 §5.1.5, FIPS 204 algorithm 6).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from kernel.crypto.errors import SignatureInvalid, UnsupportedAlgorithm
from kernel.crypto.material import KeyMaterial

ED25519: Final = "ed25519"
ML_DSA_44: Final = "ml-dsa-44"


class _PublicKey(Protocol):
    def public_bytes_raw(self) -> bytes: ...
    def verify(self, signature: bytes, data: bytes, /) -> None: ...


class _PrivateKey(Protocol):
    def public_key(self) -> _PublicKey: ...
    def sign(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _SeedAlgorithm:
    """Sizes in bytes. ``private_key`` and ``public_key`` parse raw bytes; ValueError for another length."""

    name: str
    seed_size: int
    public_key_size: int
    signature_size: int
    private_key: Callable[[bytes], _PrivateKey]
    public_key: Callable[[bytes], _PublicKey]


SEED_ALGORITHMS: Final[Mapping[str, _SeedAlgorithm]] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            _SeedAlgorithm(
                name=ED25519,
                seed_size=32,
                public_key_size=32,
                signature_size=64,
                private_key=Ed25519PrivateKey.from_private_bytes,
                public_key=Ed25519PublicKey.from_public_bytes,
            ),
            _SeedAlgorithm(
                name=ML_DSA_44,
                seed_size=32,
                public_key_size=1312,
                signature_size=2420,
                private_key=MLDSA44PrivateKey.from_seed_bytes,
                public_key=MLDSA44PublicKey.from_public_bytes,
            ),
        )
    }
)


def find_seed_algorithm(name: str) -> _SeedAlgorithm:
    """The algorithm with this name; raises UnsupportedAlgorithm."""
    algorithm = SEED_ALGORITHMS.get(name)
    if algorithm is None:
        raise UnsupportedAlgorithm(
            f"Unknown signing algorithm. Allowed: {', '.join(SEED_ALGORITHMS)}.", field=None
        )
    return algorithm


def generate(algorithm: str) -> tuple[KeyMaterial, bytes]:
    """A new key: its seed and its raw public key."""
    material = KeyMaterial.generate(find_seed_algorithm(algorithm).seed_size)
    return material, public_key(algorithm, material)


def public_key(algorithm: str, material: KeyMaterial) -> bytes:
    """The raw public key of a seed; ValueError for a seed of another length."""
    return find_seed_algorithm(algorithm).private_key(material.expose()).public_key().public_bytes_raw()


def sign(algorithm: str, material: KeyMaterial, message: bytes) -> bytes:
    """The raw signature of a message; ValueError for a seed of another length."""
    return find_seed_algorithm(algorithm).private_key(material.expose()).sign(message)


def verify(algorithm: str, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raises SignatureInvalid, and ValueError for a public key of another length."""
    key = find_seed_algorithm(algorithm).public_key(public_key)
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise SignatureInvalid from None
