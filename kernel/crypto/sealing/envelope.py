"""The self-describing ciphertext: one text that names its key, version and mode.

``cc1.`` followed by the base64url encoding, without padding, of
``0x01 ‖ suite (u8) ‖ key id (16) ‖ version (u32be) ‖ iv ‖ ciphertext ‖ tag``.
"""

import re
import struct
import uuid
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from kernel.crypto.encoding import decode_base64url, encode_base64url
from kernel.crypto.errors import MalformedCiphertext, UnsupportedAlgorithm
from kernel.crypto.modes import SealingMode, mode_by_suite
from kernel.crypto.sealing.aead import Sealed, check_lengths

PREFIX: Final = "cc1."

_FORM: Final = 1
_HEADER: Final = struct.Struct(">BB16sI")
HEADER_SIZE: Final = _HEADER.size
# The 24 characters of form, suite and key id. A byte 0x01 makes the first of them A, and the second one Q to f.
_START_IN_TEXT: Final = re.compile(r"cc1\.(A[Q-Za-f][A-Za-z0-9_-]{22})")


class Envelope(NamedTuple):
    """A sealed message and its header. Nothing in it is trustworthy before it has been opened."""

    mode: SealingMode
    key_id: uuid.UUID
    version: int
    sealed: Sealed


def encode(envelope: Envelope) -> str:
    """The text of an envelope. Each envelope has exactly one."""
    sealed = envelope.sealed
    header = pack_header(envelope.mode, envelope.key_id, envelope.version)
    return PREFIX + encode_base64url(b"".join((header, sealed.iv, sealed.ciphertext, sealed.tag)))


def encode_many(mode: SealingMode, key_id: uuid.UUID, version: int, pieces: Iterable[bytes]) -> list[str]:
    """The texts of messages sealed by ``Cipher.seal_many``."""
    header = pack_header(mode, key_id, version)
    return [PREFIX + encode_base64url(header + piece) for piece in pieces]


def decode(text: str, *, max_length: int) -> Envelope:
    """The envelope of a text of at most ``max_length`` characters; raises MalformedCiphertext.

    Only the text that ``encode`` writes is accepted, so a ciphertext never has two spellings. A second spelling
    could bypass a list of seen or revoked ciphertexts.
    """
    if len(text) > max_length or not text.startswith(PREFIX):
        raise MalformedCiphertext
    try:
        octets = decode_base64url(text.removeprefix(PREFIX))
    except ValueError:
        raise MalformedCiphertext from None
    return decode_octets(octets)


def decode_octets(octets: bytes) -> Envelope:
    """The envelope whose text encodes ``octets``; raises MalformedCiphertext."""
    mode, key_id, version = _read_header(octets[:HEADER_SIZE])
    return Envelope(mode, key_id, version, _split(mode, octets))


def pack_header(mode: SealingMode, key_id: uuid.UUID, version: int) -> bytes:
    """The first bytes of every ciphertext and every stream."""
    return _HEADER.pack(_FORM, mode.suite, key_id.bytes, version)


def unpack_header(octets: bytes) -> tuple[int, uuid.UUID, int]:
    """The suite, key id and version at the start of ``octets``; raises MalformedCiphertext."""
    if len(octets) < HEADER_SIZE:
        raise MalformedCiphertext
    form, suite, key_id, version = _HEADER.unpack_from(octets)
    if form != _FORM:
        raise MalformedCiphertext
    return suite, uuid.UUID(bytes=key_id), version


def key_ids_in(text: str) -> Iterator[uuid.UUID]:
    """The different key ids of the ciphertexts anywhere in a text, in order. For records of refusals only.

    The text may be anything, and a ciphertext may be altered, or cut off after its key id. Takes linear time: 2 MiB
    that anyone chose take about 20 ms, most other texts 1 ms.
    """
    seen: set[object] = set()
    for found in _START_IN_TEXT.finditer(text):
        start = found[1]
        if start in seen:
            continue
        key_id = uuid.UUID(bytes=decode_base64url(start)[2:])
        if key_id not in seen:
            yield key_id
        seen.update((start, key_id))


@lru_cache(4096)  # because many messages have the same one
def _read_header(octets: bytes) -> tuple[SealingMode, uuid.UUID, int]:
    suite, key_id, version = unpack_header(octets)
    try:
        return mode_by_suite(suite), key_id, version
    except UnsupportedAlgorithm:
        raise MalformedCiphertext from None


def _split(mode: SealingMode, octets: bytes) -> Sealed:
    start = HEADER_SIZE + mode.iv_size
    end = len(octets) - mode.tag_size
    if end < start:  # otherwise iv and tag would overlap, each with its correct length
        raise MalformedCiphertext
    sealed = Sealed(octets[HEADER_SIZE:start], octets[start:end], octets[end:])
    if mode.padding:  # otherwise the cuts above make all lengths correct
        check_lengths(mode, sealed)
    return sealed
