"""Messages that other systems sealed. This server opens them, and never seals one: it does not know how many there are.

Raw AES-GCM (NIST SP 800-38D), and Fernet (its specification, version 0x80) as in the package ``cryptography``.
"""

import base64
import uuid
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.crypto.encoding import decode_base64url
from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.modes import SEALING_MODES, SealingMode
from kernel.crypto.sealing.aead import Sealed

FERNET: Final = SEALING_MODES["fernet"]
_START: Final = "gAAAAA"  # the version and the zeros at the start of a timestamp
_TAG_SIZE: Final = 16
_MIN_NONCE, _MAX_NONCE = 8, 64  # bytes; most systems use 12, and Node.js programs often 16


def is_token(text: str) -> bool:
    """Whether the text can be a Fernet token."""
    return text.startswith(_START)


def sealed_of(token: str, *, max_length: int) -> Sealed:
    """The message of a Fernet token. Raises MalformedCiphertext."""
    digits = token.rstrip("=")
    if len(token) > max_length or token != digits + "=" * (-len(digits) % 4):
        raise MalformedCiphertext
    try:
        octets = decode_base64url(digits)
    except ValueError:
        raise MalformedCiphertext from None
    return Sealed(b"", octets, b"")


@final
class RawOpener(Confidential):
    """One version of a raw AES key, ready to use. Threads may share it."""

    __slots__ = ("_aead", "_mode")

    def __init__(self, material: KeyMaterial, mode: SealingMode) -> None:
        self._mode = mode
        self._aead = AESGCM(material.expose())

    def open(self, sealed: Sealed, *, key_id: uuid.UUID, version: int, aad: bytes) -> bytes:  # noqa: ARG002 - as of Cipher
        """The plaintext. Raises MalformedCiphertext (wrong length) or DecryptionFailed (everything else).

        A shorter tag is refused, because each forgery of a short one is likelier to succeed (NIST SP 800-38D appendix C).
        """
        if not _MIN_NONCE <= len(sealed.iv) <= _MAX_NONCE or len(sealed.tag) != _TAG_SIZE:
            raise MalformedCiphertext(
                f"{self._mode.name} requires an iv of {_MIN_NONCE} to {_MAX_NONCE} bytes and a tag of {_TAG_SIZE} bytes."
            )
        try:
            return self._aead.decrypt(sealed.iv, sealed.ciphertext + sealed.tag, aad)
        except InvalidTag:
            raise DecryptionFailed from None


@final
class FernetOpener(Confidential):
    """One version of a Fernet key, ready to use. Threads may share it."""

    __slots__ = ("_fernet",)

    def __init__(self, material: KeyMaterial, _mode: SealingMode) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(material.expose()))

    def open(self, sealed: Sealed, *, key_id: uuid.UUID, version: int, aad: bytes) -> bytes:  # noqa: ARG002 - as of Cipher
        """The plaintext. A token of any age opens. Raises DecryptionFailed."""
        if aad or sealed.iv or sealed.tag:
            raise DecryptionFailed
        try:
            return self._fernet.decrypt(base64.urlsafe_b64encode(sealed.ciphertext))
        except InvalidToken:
            raise DecryptionFailed from None
