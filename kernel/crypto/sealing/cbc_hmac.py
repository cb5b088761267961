"""AES-256-CBC with HMAC-SHA-512, encrypt then MAC: A256CBC-HS512 of RFC 7518 §5.2.5.

This is the only construction that the library does not implement as a whole. The class has the interface of the
library's AEAD classes.
"""

from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from kernel.crypto.material import Confidential

BLOCK_SIZE: Final = 16
_TAG_SIZE: Final = 32
_MAC_KEY_SIZE: Final = 32
_PKCS7: Final = PKCS7(BLOCK_SIZE * 8)


@final
class AesCbcHmacSha512(Confidential):
    """``key`` is MAC key (32 bytes) ‖ encryption key (32 bytes), in the order of RFC 7518 §5.2.2.1."""

    __slots__ = ("_aes", "_mac")

    def __init__(self, key: bytes) -> None:
        self._mac = HMAC(key[:_MAC_KEY_SIZE], SHA512())
        self._aes = AES(key[_MAC_KEY_SIZE:])

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Ciphertext (whole blocks) ‖ tag (32 bytes). ``nonce`` is the iv: 16 unpredictable bytes."""
        padder = _PKCS7.padder()
        encryptor = Cipher(self._aes, CBC(nonce)).encryptor()
        padded = padder.update(data) + padder.finalize()
        ciphertext = encryptor.update(padded) + encryptor.finalize()
        return ciphertext + self._tag(nonce, ciphertext, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """The plaintext of ciphertext ‖ tag; raises InvalidTag for every failure.

        The MAC is checked in constant time before decryption. Without a valid tag, an attacker never reaches the
        padding check, which would otherwise be a padding oracle (Vaudenay 2002).
        """
        ciphertext, tag = data[:-_TAG_SIZE], data[-_TAG_SIZE:]
        if not bytes_eq(tag, self._tag(nonce, ciphertext, associated_data)):
            raise InvalidTag
        decryptor = Cipher(self._aes, CBC(nonce)).decryptor()
        unpadder = _PKCS7.unpadder()
        try:
            return unpadder.update(decryptor.update(ciphertext) + decryptor.finalize()) + unpadder.finalize()
        except ValueError:
            raise InvalidTag from None

    def _tag(self, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(associated_data)
        mac.update(nonce)
        mac.update(ciphertext)
        mac.update((len(associated_data) * 8).to_bytes(8))  # AL counts bits
        return mac.finalize()[:_TAG_SIZE]
