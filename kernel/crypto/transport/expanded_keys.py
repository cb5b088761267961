"""Private keys of ML-DSA (RFC 9881 §6) and ML-KEM (RFC 9935 §6) in PKCS #8, with their expanded form.

The library reads the seed alone. OpenSSL writes the seed and the expanded key. The key is derived from the seed, and what
the standard copies of it into the expanded key is compared: the public key or its hash, and ML-KEM's z or ML-DSA's K. The
vectors of polynomials are not compared, because they are not used.
"""

from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.constant_time import bytes_eq

from kernel.crypto.asymmetric import key_documents, key_pairs
from kernel.crypto.errors import WrongKey

_SEED: Final = 0x80  # [0] IMPLICIT OCTET STRING
_Z: Final = 32
# FIPS 204 table 1: the dimensions k and l, and the size of the expanded key in bytes (table 2).
_ML_DSA: Final = MappingProxyType(
    {"ml-dsa-44": (4, 4, 2560), "ml-dsa-65": (6, 5, 4032), "ml-dsa-87": (8, 7, 4896)}
)


def seed_of(algorithm: str, content: bytes) -> bytes:
    """The seed of a private key, the content of its PKCS #8 document. Raises WrongKey."""
    tag, parts = _parts_of(content)
    if tag == _SEED:
        return parts[0]
    if tag == key_documents.OCTETS:
        raise WrongKey("The key has only its expanded form. Send a document with the seed.")
    try:
        seed, expanded = parts
        public = key_pairs.from_seed(algorithm, seed).public_key().public_bytes_raw()
    except ValueError:
        raise WrongKey(f"Cannot be read as a private key of type {algorithm}.") from None
    size, at, part = _known_part(algorithm, seed, public)
    if len(expanded) != size or not bytes_eq(expanded[at : at + len(part)], part):
        raise WrongKey("The seed and the expanded key do not belong together.")
    return seed


def _parts_of(content: bytes) -> tuple[int, list[bytes]]:
    """The tag of the form, and the seed, the expanded key or both. No part of anything else."""
    try:
        [(tag, octets)] = key_documents.elements(content)
        if tag != key_documents.SEQUENCE:
            return tag, [octets]
        parts = list(key_documents.elements(octets))
    except ValueError:
        return 0, []
    return tag, [octets for tag, octets in parts if tag == key_documents.OCTETS]


def _known_part(algorithm: str, seed: bytes, public: bytes) -> tuple[int, int, bytes]:
    """The size of the expanded key, and the position and the bytes of its known part."""
    if algorithm in _ML_DSA:  # FIPS 204 algorithms 6 and 24: rho, K, tr
        k, length, size = _ML_DSA[algorithm]
        expanded_seed = _hash(hashes.SHAKE256(128), seed + bytes([k, length]))
        return size, 0, expanded_seed[:32] + expanded_seed[96:] + _hash(hashes.SHAKE256(64), public)
    part = public + _hash(hashes.SHA3_256(), public) + seed[_Z:]  # FIPS 203 algorithm 16: ek, H(ek), z
    size = 2 * len(public) + _Z
    return size, size - len(part), part


def _hash(function: Any, octets: bytes) -> bytes:
    digest = hashes.Hash(function)
    digest.update(octets)
    return digest.finalize()
