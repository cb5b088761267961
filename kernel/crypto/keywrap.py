"""Wrapping a key under a key-encryption key (KEK), bound to the key's identity.

Form: ``0x01 ‖ nonce (12) ‖ ciphertext ‖ tag (16)``, AES-256-GCM (NIST SP 800-38D) with a random nonce.
"""

import base64
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.material import KeyMaterial

_FORM: Final = b"\x01"
_NONCE_SIZE: Final = 12
_LEAST_MATERIAL: Final = 1  # an imported HMAC key
_MIN_SIZE: Final = len(_FORM) + _NONCE_SIZE + _LEAST_MATERIAL + 16  # the last part is the tag
_KEK_SIZE: Final = 32


def generate_kek() -> tuple[str, str]:
    """A new key-encryption key: its id, 8 hex digits, and its 32 bytes in base64."""
    return os.urandom(4).hex(), base64.b64encode(os.urandom(_KEK_SIZE)).decode()


def binding(label: str, *parts: bytes) -> bytes:
    """The aad of a wrapped key: ``label 0x00``, then each part as ``length (u16be) ‖ bytes``.

    The lengths ensure that two different lists never give the same aad. ``label`` is a constant of the caller,
    ASCII without NUL. Raises OverflowError for a part above 65,535 bytes.
    """
    return b"".join((label.encode("ascii"), b"\x00", *(len(part).to_bytes(2) + part for part in parts)))


def wrap(kek: KeyMaterial, material: KeyMaterial, *, aad: bytes) -> bytes:
    """Wrap ``material`` under ``kek`` (32 bytes, else ValueError), bound to ``aad``."""
    nonce = os.urandom(_NONCE_SIZE)
    return _FORM + nonce + _aead(kek).encrypt(nonce, material.expose(), aad)


def unwrap(kek: KeyMaterial, wrapped: bytes, *, aad: bytes) -> KeyMaterial:
    """The key that ``wrap`` wrapped; raises UnwrapFailed for another KEK, another aad or altered bytes."""
    if len(wrapped) < _MIN_SIZE or not wrapped.startswith(_FORM):
        raise UnwrapFailed
    sealed = wrapped[len(_FORM) :]
    try:
        octets = _aead(kek).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], aad)
    except InvalidTag:
        raise UnwrapFailed from None
    return KeyMaterial(octets, least=_LEAST_MATERIAL)


def _aead(kek: KeyMaterial) -> AESGCM:
    octets = kek.expose()
    if len(octets) != _KEK_SIZE:  # the library would accept 16 bytes and use AES-128
        raise ValueError(f"a key-encryption key has {_KEK_SIZE} bytes")
    return AESGCM(octets)
