"""Seal a document of the application itself. Its padding hides the length of its contents.

Form: ``0x01 ‖ nonce (12) ‖ ciphertext ‖ tag (16)``, AES-256-GCM (NIST SP 800-38D) with a random nonce. The plaintext
is ``length (u32be) ‖ document ‖ zeros``.
"""

import os
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.material import Confidential, KeyMaterial

_FORM: Final = b"\x01"
_NONCE_SIZE: Final = 12
_LENGTH_SIZE: Final = 4
_KEY_SIZE: Final = 32
OVERHEAD: Final = len(_FORM) + _NONCE_SIZE + 16  # bytes; the last part is the tag


@final
class DocumentCipher(Confidential):
    """One key (32 bytes), ready to use. Threads may share it."""

    __slots__ = ("_aead",)

    def __init__(self, key: KeyMaterial) -> None:
        octets = key.expose()
        if len(octets) != _KEY_SIZE:  # the library would accept 16 bytes and use AES-128
            raise ValueError(f"the key has {_KEY_SIZE} bytes")
        self._aead = AESGCM(octets)

    def seal(self, document: bytes, *, size: int, aad: bytes) -> bytes:
        """``size`` bytes, bound to ``aad``. Raises ValueError if the document does not fit (``capacity``)."""
        if len(document) > capacity(size):
            raise ValueError("the document is larger than its space")
        padded = (len(document).to_bytes(_LENGTH_SIZE) + document).ljust(size - OVERHEAD, b"\0")
        nonce = os.urandom(_NONCE_SIZE)
        return _FORM + nonce + self._aead.encrypt(nonce, padded, aad)

    def open(self, sealed: bytes, *, aad: bytes) -> bytes:
        """The document. Raises UnwrapFailed for another key, another aad or altered bytes."""
        if len(sealed) < OVERHEAD + _LENGTH_SIZE or not sealed.startswith(_FORM):
            raise UnwrapFailed
        nonce, ciphertext = sealed[1 : 1 + _NONCE_SIZE], sealed[1 + _NONCE_SIZE :]
        try:
            padded = self._aead.decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            raise UnwrapFailed from None
        length = int.from_bytes(padded[:_LENGTH_SIZE])
        return padded[_LENGTH_SIZE : _LENGTH_SIZE + length]


def capacity(size: int) -> int:
    """The largest document, in bytes, that fits into ``size`` sealed bytes."""
    return size - OVERHEAD - _LENGTH_SIZE
