"""The format of a local envelope: an encrypted data key, and data under it (docs/ciphertext-format.md).

    0x02 ‖ 0x20 ‖ n (u16, big-endian) ‖ ciphertext of the data key (n bytes) ‖ Cobblestone-256 stream

The ciphertext of the data key is that of the API without ``cc1.``, decoded from base64url. Everything before the
stream is its header. The context of the stream is

    "cc/env/v1" ‖ 0x00 ‖ header ‖ length of aad (u32, big-endian) ‖ aad

Cobblestone-256 (C2SP chunked-encryption) commits to its key, and a truncated stream does not open.
"""

import base64
import io
import struct
from collections.abc import Iterator
from typing import IO

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from ciphercanary_client.errors import DecryptionFailed
from ciphercanary_client.files import BLOCK_SIZE, PRIVATE, PUBLIC, StrPath, opened, replacing

PREFIX = b"\x02\x20"
DATA_KEY_SIZE = 32
_TEXT_PREFIX = "cc1."
_LABEL = b"cc/env/v1\x00"
_KEY_ID = slice(2, 18)  # of the ciphertext of the data key
_LENGTH = struct.Struct(">H")
_AAD_LENGTH = struct.Struct(">I")
_NO_ENVELOPE = "The data is not an envelope of CipherCanary, or its beginning is missing."
_DOES_NOT_OPEN = "The envelope was altered or truncated, or the aad is another one."


def header_of(ciphertext: str) -> bytes:
    """The header for a data key with this ciphertext. Raises ValueError."""
    if not ciphertext.startswith(_TEXT_PREFIX):
        raise ValueError("The ciphertext of the data key does not begin with cc1.")
    text = ciphertext[len(_TEXT_PREFIX) :]
    octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if ciphertext_of(PREFIX + _LENGTH.pack(len(octets)) + octets) != ciphertext:
        raise ValueError("The ciphertext of the data key is not canonical.")
    return PREFIX + _LENGTH.pack(len(octets)) + octets


def ciphertext_of(header: bytes) -> str:
    """The ciphertext of the data key as the API takes it."""
    octets = header[len(PREFIX) + _LENGTH.size :]
    return _TEXT_PREFIX + base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def key_id_of(header: bytes) -> bytes:
    """The id of the key that encrypts the data key: a UUID, or fewer than 16 bytes of a malformed header."""
    return header[len(PREFIX) + _LENGTH.size :][_KEY_ID]


def read_header(envelope: IO[bytes]) -> bytes:
    """Read the header and leave the position behind it. Raises DecryptionFailed."""
    begin = envelope.read(len(PREFIX) + _LENGTH.size)
    if len(begin) != len(PREFIX) + _LENGTH.size or not begin.startswith(PREFIX):
        raise DecryptionFailed(_NO_ENVELOPE)
    [size] = _LENGTH.unpack(begin[len(PREFIX) :])
    octets = envelope.read(size)
    if not size or len(octets) != size:
        raise DecryptionFailed(_NO_ENVELOPE)
    return begin + octets


def seal(key: bytes, header: bytes, data: bytes, aad: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(key, _context(header, aad))
    return b"".join((header, encryptor.update(data), encryptor.finalize()))


def open_envelope(key: bytes, header: bytes, envelope: bytes, aad: bytes) -> bytes:
    """The data of a whole envelope, whose header ``read_header`` returned. Raises DecryptionFailed."""
    decryptor = Cobblestone256Decryptor(key, _context(header, aad))
    try:
        return decryptor.update(memoryview(envelope)[len(header) :]) + decryptor.finalize()
    except InvalidTag:
        raise DecryptionFailed(_DOES_NOT_OPEN) from None


def seal_blocks(key: bytes, header: bytes, plaintext: IO[bytes], aad: bytes) -> Iterator[bytes]:
    """The envelope of a file, block by block."""
    encryptor = Cobblestone256Encryptor(key, _context(header, aad))
    yield header
    while block := plaintext.read(BLOCK_SIZE):
        yield encryptor.update(block)
    yield encryptor.finalize()


def seal_file(key: bytes, header: bytes, source: StrPath, target: StrPath, aad: bytes) -> None:
    """Seal a file in constant memory. ``target`` appears as a whole, or not at all."""
    with opened(source) as plaintext, replacing(target, PUBLIC) as envelope:
        envelope.writelines(seal_blocks(key, header, plaintext, aad))


def header_of_file(source: StrPath) -> bytes:
    """The header of an envelope in a file. Raises DecryptionFailed."""
    with opened(source) as envelope:
        return read_header(envelope)


def open_file(key: bytes, header: bytes, source: StrPath, target: StrPath, aad: bytes) -> None:
    """Open a file in constant memory. ``target`` appears once its last chunk is verified. Raises DecryptionFailed."""
    with opened(source) as envelope, replacing(target, PRIVATE) as plaintext:
        envelope.seek(len(header))
        decryptor = Cobblestone256Decryptor(key, _context(header, aad))
        try:
            while block := envelope.read(BLOCK_SIZE):
                plaintext.write(decryptor.update(block))
            plaintext.write(decryptor.finalize())
        except InvalidTag:
            raise DecryptionFailed(_DOES_NOT_OPEN) from None


def header_of_bytes(envelope: bytes) -> bytes:
    """The header of an envelope in memory. Raises DecryptionFailed."""
    return read_header(io.BytesIO(envelope))


def _context(header: bytes, aad: bytes) -> bytes:
    return b"".join((_LABEL, header, _AAD_LENGTH.pack(len(aad)), aad))
