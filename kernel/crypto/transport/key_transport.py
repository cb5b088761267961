"""Wrapping of a key for another system, with the public key of that system.

``rsa``: a random AES-256 key by RSA-OAEP with SHA-256 (RFC 8017 §7.1, as long as the modulus), then the material by AES
key wrap with padding (RFC 5649) under this AES key. PKCS #11 calls this CKM_RSA_AES_KEY_WRAP.
``hpke``: RFC 9180 base mode, with the suite and the keys of ``hpke-x25519-ml-kem-768``.
"""

import os
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from kernel.crypto.asymmetric import hybrid, key_pairs
from kernel.crypto.asymmetric.public_key_encryption import HPKE_SUITE, oaep
from kernel.crypto.errors import WrongKey
from kernel.crypto.keywrap import binding
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import key_checks

RSA_ALGORITHM: Final = "rsa-4096"
_LEAST_RSA: Final = 3072  # bits of a modulus
_MOST_RSA: Final = 8192  # larger ones would take too long
_LABEL: Final = "cc/key-transport/v1"
_AES_SIZE: Final = 32


class TransportFailed(ValueError):
    """Wrapped material does not open: with the wrong key, or because it was altered."""


def _info_of(name: str) -> bytes:
    """The ``info`` of HPKE, which binds the material to the name of its key: ``keywrap.binding`` of the label and name."""
    return binding(_LABEL, name.encode())


def recipient_with(of_rsa: KeyMaterial) -> KeyMaterial:
    """The private keys of a recipient: a new one of ``hybrid``, then this one with ``RSA_ALGORITHM``."""
    private, _ = hybrid.generate()
    return KeyMaterial(private.expose() + of_rsa.expose())


def public_keys(material: KeyMaterial) -> tuple[bytes, bytes]:
    """The public keys of a recipient for ``rsa`` and ``hpke``, each as a SubjectPublicKeyInfo."""
    of_hybrid, of_rsa = _split(material)
    private: Any = key_pairs.load_private(RSA_ALGORITHM, of_rsa)
    return key_pairs.encode_public(RSA_ALGORITHM, private.public_key()), hybrid.public_of(of_hybrid)


def wrap(recipient: bytes, material: KeyMaterial, name: str) -> bytes:
    """Wrap for the owner of a public key, a SubjectPublicKeyInfo: ``hpke`` for a key of ``hybrid``, else ``rsa``.

    Raises WrongKey.
    """
    public = key_pairs.load_recipient(recipient)
    if not isinstance(public, rsa.RSAPublicKey):
        return HPKE_SUITE.encrypt(material.expose(), public, info=_info_of(name))
    if not _LEAST_RSA <= public.key_size <= _MOST_RSA:
        raise WrongKey(f"The modulus has {public.key_size} bits. Expected {_LEAST_RSA} to {_MOST_RSA}.")
    key_checks.check_public(public)
    key = os.urandom(_AES_SIZE)
    return public.encrypt(key, oaep()) + aes_key_wrap_with_padding(key, material.expose())


def unwrap_rsa(recipient: KeyMaterial, wrapped: bytes, digest: HashAlgorithm | None = None) -> bytes:
    """The bytes that ``wrap`` wrapped for RSA. ``digest``: of OAEP, SHA-256 unless given. Raises TransportFailed."""
    private: Any = key_pairs.load_private(RSA_ALGORITHM, _split(recipient)[1])
    size = private.key_size // 8
    try:
        key = private.decrypt(wrapped[:size], oaep(digest))
        if len(key) != _AES_SIZE:
            raise TransportFailed
        return aes_key_unwrap_with_padding(key, wrapped[size:])
    except (ValueError, InvalidUnwrap):
        raise TransportFailed from None


def unwrap_hpke(recipient: KeyMaterial, wrapped: bytes, name: str) -> bytes:
    """The bytes that ``wrap`` wrapped for ``hpke`` and a key with this name. Raises TransportFailed."""
    private = hybrid.load_private(_split(recipient)[0])
    try:
        return HPKE_SUITE.decrypt(wrapped, private, info=_info_of(name))
    except (ValueError, InvalidTag):
        raise TransportFailed from None


def _split(recipient: KeyMaterial) -> tuple[KeyMaterial, KeyMaterial]:
    octets = recipient.expose()
    return KeyMaterial(octets[: hybrid.PRIVATE_SIZE]), KeyMaterial(octets[hybrid.PRIVATE_SIZE :])
