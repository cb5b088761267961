"""Encryption with a public key: RSA-OAEP (RFC 8017 §7.1) and HPKE (RFC 9180).

Everyone with the public key can encrypt, so an opened message has no known author. RSA-OAEP binds a message to nothing
but its key. HPKE binds a message to the additional data of ``aead.message_aad``, as its ``info``: the library's
single-shot interface has no other.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol, final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from kernel.crypto.asymmetric.key_pairs import PrivateKey, PublicKey
from kernel.crypto.errors import DecryptionFailed, Invalid
from kernel.crypto.material import Confidential
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing.aead import Message, Sealed, check_lengths, message_aad

HPKE_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class _Scheme(Protocol):
    """Of one key: ``max_size`` of a message in bytes, None without a limit. ``decrypt`` raises ValueError, InvalidTag."""

    max_size: int | None

    def encrypt(self, plaintext: bytes, bound: bytes) -> bytes: ...
    def decrypt(self, ciphertext: bytes, bound: bytes) -> bytes: ...


@final
class _RsaOaep(Confidential):
    __slots__ = ("_key", "max_size")

    def __init__(self, key: Any) -> None:
        self._key = key
        self.max_size: int | None = key.key_size // 8 - 2 * SHA256.digest_size - 2

    def encrypt(self, plaintext: bytes, _bound: bytes) -> bytes:
        ciphertext: bytes = self._key.encrypt(plaintext, oaep())
        return ciphertext

    def decrypt(self, ciphertext: bytes, _bound: bytes) -> bytes:
        plaintext: bytes = self._key.decrypt(ciphertext, oaep())
        return plaintext


@final
class _Hpke(Confidential):
    __slots__ = ("_key", "max_size")

    def __init__(self, key: Any) -> None:
        self._key = key
        self.max_size: int | None = None

    def encrypt(self, plaintext: bytes, bound: bytes) -> bytes:
        return HPKE_SUITE.encrypt(plaintext, self._key, info=bound)

    def decrypt(self, ciphertext: bytes, bound: bytes) -> bytes:
        return HPKE_SUITE.decrypt(ciphertext, self._key, info=bound)


def _scheme(key: PrivateKey | PublicKey) -> _Scheme:
    of_rsa = isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey)
    return _RsaOaep(key) if of_rsa else _Hpke(key)


@final
class PublicKeySealer:
    """A public key in one mode, ready to use. Threads may share it."""

    __slots__ = ("_mode", "_scheme")

    def __init__(self, key: PublicKey, mode: SealingMode) -> None:
        self._mode = mode
        self._scheme = _scheme(key)

    def check(self, plaintext: bytes, aad: bytes, *, field: str = "data") -> None:
        """Raises Invalid if the mode cannot seal this message. ``field``: its field in the request."""
        if aad and not self._mode.takes_aad:
            raise Invalid.of_field(
                "aad", f"{self._mode.name} takes no additional authenticated data. Omit this field."
            )
        most = self._scheme.max_size
        if most is not None and len(plaintext) > most:
            raise Invalid.of_field(
                field,
                f"Must be at most {most} bytes for this key. Use a symmetric key, or encrypt the data with a data key.",
            )

    def seal(self, plaintext: bytes, *, key_id: UUID, version: int, aad: bytes) -> Sealed:
        """Seal a message that ``check`` has accepted."""
        bound = message_aad(key_id, version, self._mode, aad)
        return Sealed(b"", self._scheme.encrypt(plaintext, bound), b"")

    def seal_many(self, messages: Sequence[Message], *, key_id: UUID, version: int) -> list[bytes]:
        """Seal each message as ``seal`` does."""
        return [
            self.seal(plaintext, key_id=key_id, version=version, aad=aad).ciphertext
            for plaintext, aad in messages
        ]


@final
class PrivateKeyOpener(Confidential):
    """A private key in one mode, ready to use. Threads may share it."""

    __slots__ = ("_mode", "_scheme")

    def __init__(self, key: PrivateKey, mode: SealingMode) -> None:
        self._mode = mode
        self._scheme = _scheme(key)

    def open(self, sealed: Sealed, *, key_id: UUID, version: int, aad: bytes) -> bytes:
        """The plaintext. Raises MalformedCiphertext (wrong length) or DecryptionFailed (everything else)."""
        check_lengths(self._mode, sealed)
        if aad and not self._mode.takes_aad:
            raise DecryptionFailed
        try:
            return self._scheme.decrypt(sealed.ciphertext, message_aad(key_id, version, self._mode, aad))
        except (ValueError, InvalidTag):
            raise DecryptionFailed from None


def oaep(digest: HashAlgorithm | None = None) -> padding.OAEP:
    """``digest``: SHA-256 unless given."""
    found = digest or SHA256()
    return padding.OAEP(padding.MGF1(found), found, None)
