"""Sealing and opening one message under one key version."""

import os
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV, AESSIV, ChaCha20Poly1305

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing.cbc_hmac import BLOCK_SIZE, AesCbcHmacSha512

_MESSAGE_LABEL: Final = b"cc/msg/v1\x00"
_MESSAGE_HEADER: Final = struct.Struct(">10s16sIBI")


class Sealed(NamedTuple):
    """The parts of a sealed message, all bytes. Its ``repr`` shows none of them, to keep ciphertexts out of logs."""

    iv: bytes
    ciphertext: bytes
    tag: bytes

    def __repr__(self) -> str:
        return "<Sealed>"


type Message = tuple[bytes, bytes]
"""A plaintext and its additional data."""


def message_aad(key_id: uuid.UUID, version: int, mode: SealingMode, aad: bytes) -> bytes:
    """The additional data that every native message authenticates.

    ``"cc/msg/v1" 0x00 ‖ key id (16) ‖ version (u32be) ‖ suite (u8) ‖ length (u32be) ‖ aad``. A ciphertext
    relabelled with another key, version or mode does not open.
    """
    return _MESSAGE_HEADER.pack(_MESSAGE_LABEL, key_id.bytes, version, mode.suite, len(aad)) + aad


def check_lengths(mode: SealingMode, sealed: Sealed) -> None:
    """Raise MalformedCiphertext unless every part has exactly the length that its mode requires.

    The library alone accepts other nonce lengths, and does not notice a tag that is partly in the ciphertext.
    """
    if len(sealed.iv) != mode.iv_size or len(sealed.tag) != mode.tag_size:
        raise MalformedCiphertext(
            f"{mode.name} requires an iv of {mode.iv_size} bytes and a tag of {mode.tag_size} bytes."
        )
    if mode.padding and (not sealed.ciphertext or len(sealed.ciphertext) % BLOCK_SIZE):
        raise MalformedCiphertext(f"{mode.name} requires a ciphertext of whole blocks of {BLOCK_SIZE} bytes.")


@final
class Cipher(Confidential):
    """One key version in one mode, ready to use. Build it once and keep it; threads may share it."""

    __slots__ = ("_aead", "_mode")

    def __init__(self, material: KeyMaterial, mode: SealingMode) -> None:
        """Raise ValueError if the material does not belong to the mode's key algorithm."""
        self._mode = mode
        self._aead = _aead(mode, material.subkey(mode))

    def seal(self, plaintext: bytes, *, key_id: uuid.UUID, version: int, aad: bytes) -> Sealed:
        """Seal under a fresh random iv. Callers cannot choose one: a single repeated GCM nonce exposes the key."""
        iv = os.urandom(self._mode.iv_size)
        bound = message_aad(key_id, version, self._mode, aad)
        return _seal_with_iv(self._aead, self._mode, iv, plaintext, bound)

    def seal_many(self, messages: Sequence[Message], *, key_id: uuid.UUID, version: int) -> list[bytes]:
        """Seal each message as ``seal`` does, in one piece: iv ‖ ciphertext ‖ tag."""
        size, encrypt = self._mode.iv_size, self._aead.encrypt
        ivs = os.urandom(size * len(messages))
        unbound = message_aad(key_id, version, self._mode, b"")
        pieces = []
        for start, (plaintext, aad) in enumerate(messages):
            iv = ivs[start * size : (start + 1) * size]
            bound = message_aad(key_id, version, self._mode, aad) if aad else unbound
            pieces.append(iv + encrypt(iv, plaintext, bound))
        return pieces

    def open(self, sealed: Sealed, *, key_id: uuid.UUID, version: int, aad: bytes) -> bytes:
        """The plaintext. Raises MalformedCiphertext (wrong length) or DecryptionFailed (everything else)."""
        return _open(self._aead, self._mode, sealed, message_aad(key_id, version, self._mode, aad))


class _Aead(Protocol):
    """The interface of the library's AEAD classes: ciphertext ‖ tag in one piece, InvalidTag on failure."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes: ...


@final
class _AesSiv(Confidential):
    """AES-SIV (RFC 5297 §4, deterministic) with the interface of the others: tag last, empty nonce."""

    __slots__ = ("_siv",)
    _TAG_SIZE: Final = 16

    def __init__(self, key: bytes) -> None:
        self._siv = AESSIV(key)

    def encrypt(self, _nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        sealed = self._siv.encrypt(data, [associated_data])
        return sealed[self._TAG_SIZE :] + sealed[: self._TAG_SIZE]

    def decrypt(self, _nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        return self._siv.decrypt(data[-self._TAG_SIZE :] + data[: -self._TAG_SIZE], [associated_data])


_AEADS: Final[Mapping[str, Callable[[bytes], _Aead]]] = MappingProxyType(
    {
        "aes-256-gcm": AESGCM,
        "aes-128-gcm": AESGCM,
        "aes-256-gcm-siv": AESGCMSIV,
        "chacha20-poly1305": ChaCha20Poly1305,
        "aes-256-cbc-hmac-sha512": AesCbcHmacSha512,
        "aes-256-siv": _AesSiv,
    }
)


def _aead(mode: SealingMode, subkey: KeyMaterial) -> _Aead:
    return _AEADS[mode.name](subkey.expose())


def _seal_with_iv(aead: _Aead, mode: SealingMode, iv: bytes, plaintext: bytes, bound: bytes) -> Sealed:
    """Private to ``Cipher`` and to published vectors. An iv from any other source breaks the key."""
    sealed = aead.encrypt(iv, plaintext, bound)
    return Sealed(iv, sealed[: -mode.tag_size], sealed[-mode.tag_size :])


def _open(aead: _Aead, mode: SealingMode, sealed: Sealed, bound: bytes) -> bytes:
    check_lengths(mode, sealed)
    try:
        return aead.decrypt(sealed.iv, sealed.ciphertext + sealed.tag, bound)
    except InvalidTag:
        # "from None": a chained cause would distinguish a wrong tag from wrong padding in a traceback.
        raise DecryptionFailed from None
