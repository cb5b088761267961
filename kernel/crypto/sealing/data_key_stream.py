"""Streams that a client sealed under a data key, and the header of any stream.

``0x02 ‖ 0x20 ‖ n (u16be) ‖ the ciphertext of the data key (n bytes) ‖ salt ‖ commitment ‖ chunks``. The salt and what
follows it are those of ``kernel.crypto.sealing.stream``, under the data key itself. The context is ``cc/env/v1 ‖ 0x00``, the
header, and the length (u32be) of the additional data with that data.
"""

import struct
import uuid
from dataclasses import dataclass
from typing import Final, Self

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import is_suite
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.envelope import HEADER_SIZE, Envelope, unpack_header
from kernel.crypto.sealing.stream import NO_STREAM, STREAM, StreamHeader, StreamOpener

MAX_KEY_CIPHERTEXT: Final = 2048  # bytes; with x25519-ml-kem-768 1,190
MAX_HEADER_SIZE: Final = 4 + MAX_KEY_CIPHERTEXT
_DATA_KEY_SIZE: Final = 32
_TEXT_SIZE: Final = 64  # characters; the key id ends at 28 in a ciphertext that was sent as text

_FORM: Final = 2
_START: Final = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class DataKeyHeader:
    """``octets``: the whole header. ``key``: the sealed data key. Nothing in it is trustworthy before it is opened."""

    octets: bytes
    key: Envelope

    @property
    def size(self) -> int:
        return len(self.octets)

    @property
    def key_id(self) -> uuid.UUID:
        return self.key.key_id

    @property
    def version(self) -> int:
        return self.key.version

    @classmethod
    def decode(cls, octets: bytes) -> Self | None:
        """The header at the start of ``octets``, or None if it is longer. Raises MalformedCiphertext."""
        if len(octets) < _START.size:
            return None
        _, suite, size = _START.unpack_from(octets)
        if suite != STREAM.suite or size > MAX_KEY_CIPHERTEXT:
            raise MalformedCiphertext(NO_STREAM)
        end = _START.size + size
        if len(octets) < end:
            return None
        return cls(octets[:end], envelope.decode_octets(octets[_START.size : end]))

    def opener(self, data_key: bytes, aad: bytes) -> StreamOpener:
        """Raises DecryptionFailed for a data key of another size."""
        if len(data_key) != _DATA_KEY_SIZE:
            raise DecryptionFailed
        context = b"".join((b"cc/env/v1\x00", self.octets, struct.pack(">I", len(aad)), aad))
        return StreamOpener(KeyMaterial(data_key), context)


type AnyHeader = StreamHeader | DataKeyHeader


def read_header(octets: bytes) -> AnyHeader | None:
    """The header at the start of ``octets``, or None if it is longer. Raises MalformedCiphertext."""
    if octets[:1] == bytes([_FORM]):
        return DataKeyHeader.decode(octets)
    return StreamHeader.decode(octets) if len(octets) >= HEADER_SIZE else None


def key_id_at_start(octets: bytes) -> uuid.UUID | None:
    """The key id at the start of a stream or a message, also if the rest is missing. For records of refusals only.

    Nothing is read from a file that is neither: it may be a plaintext, which records must not contain.
    """
    start = _START.size if octets[:1] == bytes([_FORM]) else 0
    try:
        suite, key_id, _ = unpack_header(octets[start : start + HEADER_SIZE])
    except MalformedCiphertext:
        return next(envelope.key_ids_in(octets[:_TEXT_SIZE].decode("latin-1")), None)
    return key_id if suite == STREAM.suite or is_suite(suite) else None
