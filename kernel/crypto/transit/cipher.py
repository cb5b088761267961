"""Messages of transit keys: nonce ‖ ciphertext ‖ tag, or RSA-OAEP."""

import hmac
import os
import struct
from typing import Any, Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256

from kernel.crypto.errors import DecryptionFailed, Invalid
from kernel.crypto.material import Confidential
from kernel.crypto.transit.secrets import TransitSecrets, derive, private_key
from kernel.crypto.transit_types import TransitType

_NONCE_SIZE, _XNONCE_SIZE, _TAG_SIZE = 12, 24, 16
_CONVERGENT_AAD: Final = "a convergent key takes no associated_data: two messages with the same nonce would reveal the key that authenticates"
_TOO_SHORT: Final = "invalid ciphertext length"
_OAEP: Final = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
_OAEP_OVERHEAD: Final = 2 * SHA256.digest_size + 2  # RFC 8017 §7.1.1


@final
class TransitCipher(Confidential):
    """One version of a symmetric key, ready to use. Threads may share it."""

    __slots__ = ("_aead", "_kind", "_nonce_size", "_secrets", "_size")

    def __init__(self, kind: TransitType, secrets: TransitSecrets) -> None:
        self._kind, self._secrets = kind, secrets
        self._size = kind.key_size // 8
        self._nonce_size = _XNONCE_SIZE if kind.name.startswith("x") else _NONCE_SIZE
        self._aead = None if kind.is_derived else _aead_of(kind, secrets.key)

    def seal(self, plaintext: bytes, *, context: bytes = b"", aad: bytes = b"") -> bytes:
        """Raises Invalid for a missing context, and for additional data under a convergent key.

        OpenBao accepts the latter. Its nonce depends on the plaintext only, so two texts with different additional data share
        a nonce, which reveals the authentication key of GCM (NIST SP 800-38D appendix A).
        """
        if self._kind.is_convergent:
            if aad:
                raise Invalid.of_field("associated_data", _CONVERGENT_AAD)
            derived = derive(self._secrets.key, context, self._size + 32)
            nonce = hmac.digest(derived[self._size :], plaintext, "sha256")[: self._nonce_size]
            return nonce + _aead_of(self._kind, derived[: self._size]).encrypt(nonce, plaintext, None)
        nonce = os.urandom(self._nonce_size)
        return nonce + self._aead_for(context).encrypt(nonce, plaintext, aad or None)

    def open(self, sealed: bytes, *, context: bytes = b"", aad: bytes = b"") -> bytes:
        """Raises Invalid for a missing context or a text that is too short, DecryptionFailed."""
        aead = self._aead_for(context)
        if len(sealed) < self._nonce_size:
            raise Invalid.of_field("ciphertext", _TOO_SHORT)
        if len(sealed) < self._nonce_size + _TAG_SIZE:
            raise DecryptionFailed
        try:
            return aead.decrypt(sealed[: self._nonce_size], sealed[self._nonce_size :], aad or None)
        except InvalidTag:
            raise DecryptionFailed from None

    def _aead_for(self, context: bytes) -> "_Aead":
        if self._aead is not None:
            return self._aead
        # The first bytes of HKDF do not depend on how many more are derived.
        return _aead_of(self._kind, derive(self._secrets.key, context, self._size))


@final
class TransitRsaCipher(Confidential):
    """One version of an RSA key, ready to use. Messages are not authentic."""

    __slots__ = ("_name", "_private", "_public")

    def __init__(self, kind: TransitType, secrets: TransitSecrets) -> None:
        self._name = kind.name
        self._private: Any = private_key(kind, secrets)
        self._public: Any = self._private.public_key()

    def seal(self, plaintext: bytes, *, context: bytes = b"", aad: bytes = b"") -> bytes:  # noqa: ARG002 - as of TransitCipher
        """Raises Invalid for additional data, and for a message that is too long."""
        self._require_no_aad(aad)
        if len(plaintext) > self._public.key_size // 8 - _OAEP_OVERHEAD:
            raise Invalid.of_field(
                "plaintext",
                "failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA key size",
            )
        sealed: bytes = self._public.encrypt(plaintext, _OAEP)
        return sealed

    def open(self, sealed: bytes, *, context: bytes = b"", aad: bytes = b"") -> bytes:  # noqa: ARG002 - as of TransitCipher
        """Raises Invalid."""
        self._require_no_aad(aad)
        try:
            plaintext: bytes = self._private.decrypt(sealed, _OAEP)
        except ValueError:
            raise Invalid.of_field(
                "ciphertext", "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error"
            ) from None
        return plaintext

    def _require_no_aad(self, aad: bytes) -> None:
        if aad:
            raise Invalid.of_field(
                "associated_data", f"'[0].associated_data' provided for non-AEAD cipher suite {self._name}"
            )


@final
class _XChaCha20Poly1305(Confidential):
    """With the interface of the library's classes (draft-irtf-cfrg-xchacha-03 §2.3)."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        aead, rest = self._inner(nonce)
        return aead.encrypt(rest, data, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        aead, rest = self._inner(nonce)
        return aead.decrypt(rest, data, associated_data)

    def _inner(self, nonce: bytes) -> tuple[ChaCha20Poly1305, bytes]:
        """The cipher of the subkey by HChaCha20, and its nonce."""
        # HChaCha20 is a block of ChaCha20 (RFC 8439 §2.3) without its final addition of the initial state.
        block = Cipher(ChaCha20(self._key, nonce[:16]), None).encryptor().update(bytes(64))
        words = struct.unpack("<16I", block)
        start = struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<4I", nonce[:16])
        pairs = zip(words[:4] + words[12:], start, strict=True)
        subkey = struct.pack("<8I", *((word - initial) % 2**32 for word, initial in pairs))
        return ChaCha20Poly1305(subkey), bytes(4) + nonce[16:]


type _Aead = AESGCM | ChaCha20Poly1305 | _XChaCha20Poly1305


def _aead_of(kind: TransitType, key: bytes) -> _Aead:
    if kind.name.startswith("aes"):
        return AESGCM(key)
    return _XChaCha20Poly1305(key) if kind.name.startswith("x") else ChaCha20Poly1305(key)
