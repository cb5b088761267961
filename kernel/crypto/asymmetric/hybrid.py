"""Hybrid keys: X25519 with ML-KEM-768 (X-Wing, draft-connolly-cfrg-xwing-kem), for HPKE.

A private key is the seed of its ML-KEM key (64 bytes) and its X25519 key (32 bytes). A public key is a
SubjectPublicKeyInfo with the encapsulation key (1,184 bytes) and the X25519 key (32 bytes).
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from kernel.crypto.algorithms import HYBRID
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial

ALGORITHM: Final = HYBRID

_SEED_SIZE: Final = 64
PRIVATE_SIZE: Final = _SEED_SIZE + 32
_ENCAPSULATION_KEY_SIZE: Final = 1184
_PUBLIC_SIZE: Final = _ENCAPSULATION_KEY_SIZE + 32
IDENTIFIER: Final = "2b0601040183e62d81c87a"  # of X-Wing, 1.3.6.1.4.1.62253.25722
# The DER of a SubjectPublicKeyInfo before the key, with the header of a bit string. The library has no encoding of these
# keys.
_SPKI_HEADER: Final = bytes.fromhex(f"308204d4300d060b{IDENTIFIER}038204c100")

type PrivateKey = MLKEM768X25519PrivateKey
type PublicKey = MLKEM768X25519PublicKey


def generate() -> tuple[KeyMaterial, bytes]:
    """A new private key and its public key."""
    kem, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    material = KeyMaterial(kem.private_bytes_raw() + curve.private_bytes_raw())
    return material, public_of(material)


def public_of(material: KeyMaterial) -> bytes:
    """The public key of a private one. Raises WrongKey."""
    kem, curve = _parts(material)
    return _SPKI_HEADER + kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()


def load_private(material: KeyMaterial) -> PrivateKey:
    """Raises WrongKey."""
    return MLKEM768X25519PrivateKey(*_parts(material))


def load_public(document: bytes) -> PublicKey:
    """Raises WrongKey."""
    octets = raw_public(document)
    try:
        kem = MLKEM768PublicKey.from_public_bytes(octets[:_ENCAPSULATION_KEY_SIZE])
        curve = X25519PublicKey.from_public_bytes(octets[_ENCAPSULATION_KEY_SIZE:])
        X25519PrivateKey.generate().exchange(
            curve
        )  # refuses points that give every private key the secret zero
    except ValueError:
        raise WrongKey(f"Expected a public key of type {ALGORITHM}.") from None
    return MLKEM768X25519PublicKey(kem, curve)


def document_of(public: bytes) -> bytes:
    """The inverse of ``raw_public``, without a check."""
    return _SPKI_HEADER + public


def raw_public(document: bytes) -> bytes:
    """The public key without its header. Raises WrongKey."""
    octets = document.removeprefix(_SPKI_HEADER)
    if len(octets) != _PUBLIC_SIZE or len(document) == len(octets):
        raise WrongKey(f"Expected a public key of type {ALGORITHM}.")
    return octets


def _parts(material: KeyMaterial) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    octets = material.expose()
    if len(octets) != PRIVATE_SIZE:
        raise WrongKey(f"Expected a private key of type {ALGORITHM}.")
    return (
        MLKEM768PrivateKey.from_seed_bytes(octets[:_SEED_SIZE]),
        X25519PrivateKey.from_private_bytes(octets[_SEED_SIZE:]),
    )
