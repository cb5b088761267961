"""Streams: messages of any size, sealed and opened piece by piece in constant memory.

The format is C2SP chunked-encryption (https://c2sp.org/chunked-encryption), instance Cobblestone-256. HKDF-Expand
with SHA-512 derives a key, a nonce and a commitment from the subkey, a random salt and a context. AES-256-GCM seals
chunks of 16 KiB, of which the last is always shorter. Therefore chunks cannot be reordered, and a truncated stream
does not open.

The stream starts with the header of a self-describing ciphertext (``kernel.crypto.sealing.envelope``):
``0x01 ‖ suite (u8) ‖ key id (16) ‖ version (u32be)``. The context is the additional data of every native message
(``aead.message_aad``), so a relabelled stream does not open either.
"""

import uuid
from dataclasses import dataclass
from typing import Final, Self, final

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing.aead import message_aad
from kernel.crypto.sealing.envelope import HEADER_SIZE, pack_header, unpack_header

# A separate mode outside ``SEALING_MODES``, because it does not seal messages. Streams of up to 4 PiB may be sealed 2^77
# times under one subkey (C2SP chunked-encryption, "FIPS 140 compliance"), so no limit is within reach.
STREAM: Final = SealingMode(
    name="stream",
    suite=0x20,
    key_algorithm="aes-256",
    subkey_size=32,
    iv_size=24,
    tag_size=16,
    deterministic=False,
    padding=None,
    status="approved",
    invocation_limit=None,
)
CHUNK_SIZE: Final = 16 * 1024

_COMMITMENT_SIZE: Final = 32
_FIXED_SIZE: Final = HEADER_SIZE + STREAM.iv_size + _COMMITMENT_SIZE


def sealed_size(size: int) -> int:
    """The size in bytes of a sealed stream with ``size`` bytes of plaintext."""
    return _FIXED_SIZE + size + (size // CHUNK_SIZE + 1) * STREAM.tag_size


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """The header of a stream. Nothing in it is trustworthy before the stream has been opened."""

    key_id: uuid.UUID
    version: int

    @property
    def size(self) -> int:
        return HEADER_SIZE

    def encode(self) -> bytes:
        return pack_header(STREAM, self.key_id, self.version)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """The header of a stream that begins with ``octets``; raises MalformedCiphertext."""
        try:
            suite, key_id, version = unpack_header(octets)
        except MalformedCiphertext:
            raise MalformedCiphertext(NO_STREAM) from None
        if suite != STREAM.suite:
            raise MalformedCiphertext(NO_STREAM)
        return cls(key_id, version)


NO_STREAM: Final = "The body is not a CipherCanary stream. It does not start with a stream header."


@final
class StreamCipher(Confidential):
    """One key version, ready for streams. Each stream needs its own sealer or opener."""

    __slots__ = ("_subkey",)

    def __init__(self, material: KeyMaterial) -> None:
        """Raise ValueError if the material does not belong to an AES-256 key."""
        self._subkey = material.subkey(STREAM)

    def sealer(self, header: StreamHeader, aad: bytes) -> "StreamSealer":
        return StreamSealer(self._subkey, header.encode(), _context(header, aad))

    def opener(self, header: StreamHeader, aad: bytes) -> "StreamOpener":
        return StreamOpener(self._subkey, _context(header, aad))


@final
class UploadCipher(Confidential):
    """The cipher of one upload at rest, under a key of 32 bytes that protects nothing else. It has no header."""

    __slots__ = ("_context", "_key")

    def __init__(self, key: KeyMaterial, upload_id: uuid.UUID) -> None:
        self._key = key
        self._context = b"cc/upload/v1\x00" + upload_id.bytes

    def sealer(self) -> "StreamSealer":
        return StreamSealer(self._key, b"", self._context)

    def opener(self) -> "StreamOpener":
        return StreamOpener(self._key, self._context)


def _context(header: StreamHeader, aad: bytes) -> bytes:
    return message_aad(header.key_id, header.version, STREAM, aad)


@final
class StreamSealer(Confidential):
    """Seals one stream: call ``update`` for each piece of data, then ``finish`` once. One thread at a time."""

    __slots__ = ("_encryptor", "_unsent")

    def __init__(self, subkey: KeyMaterial, header: bytes, context: bytes) -> None:
        self._encryptor = Cobblestone256Encryptor(subkey.expose(), context)
        self._unsent = header

    def update(self, plaintext: bytes) -> bytes:
        """Everything that can be sealed so far: whole chunks, with the header before the first of them."""
        begun, self._unsent = self._unsent, b""
        sealed = self._encryptor.update(plaintext)
        return begun + sealed if begun else sealed

    def finish(self) -> bytes:
        """The last chunk. Without it, the stream does not open as a whole."""
        return self._unsent + self._encryptor.finalize()


@final
class StreamOpener(Confidential):
    """Opens the part of one stream after its header. One thread at a time.

    Each chunk that ``update`` returns is authentic, but only ``finish`` detects truncation. Therefore callers run a
    separate opener over the whole stream before they release any plaintext.
    """

    __slots__ = ("_decryptor",)

    def __init__(self, subkey: KeyMaterial, context: bytes) -> None:
        self._decryptor = Cobblestone256Decryptor(subkey.expose(), context)

    def update(self, ciphertext: bytes) -> bytes:
        """The plaintext of the chunks completed so far. Raises DecryptionFailed; the opener is then unusable."""
        try:
            return self._decryptor.update(ciphertext)
        except InvalidTag:
            raise DecryptionFailed from None

    def finish(self) -> bytes:
        """The last chunk. Raises DecryptionFailed, also if the stream was truncated."""
        try:
            return self._decryptor.finalize()
        except InvalidTag:
            raise DecryptionFailed from None
