"""The header of data that a client sealed under a data key."""

import base64
import struct
import uuid

import pytest

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing.data_key_stream import (
    MAX_KEY_CIPHERTEXT,
    DataKeyHeader,
    key_id_at_start,
    read_header,
)
from kernel.crypto.sealing.envelope import pack_header
from kernel.crypto.sealing.stream import HEADER_SIZE, STREAM, StreamHeader, StreamSealer

KEY_ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
SEALED_KEY = pack_header(SEALING_MODES["aes-256-gcm"], KEY_ID, 7) + bytes(12 + 32 + 16)
OCTETS = b"\x02\x20" + struct.pack(">H", len(SEALED_KEY)) + SEALED_KEY


def test_a_header_names_the_key_and_version_of_its_data_key():
    header = read_header(OCTETS + b"the stream")
    assert isinstance(header, DataKeyHeader)
    assert (header.key_id, header.version, header.size) == (KEY_ID, 7, len(OCTETS))
    assert header.octets == OCTETS


def test_a_header_that_arrives_in_pieces_is_read_once_it_is_complete():
    assert {read_header(OCTETS[:end]) for end in range(len(OCTETS))} == {None}
    header = StreamHeader(KEY_ID, 7)
    assert {read_header(header.encode()[:end]) for end in range(HEADER_SIZE)} == {None}
    assert read_header(header.encode()) == header


@pytest.mark.parametrize(
    "octets",
    [
        b"\x02\x21" + OCTETS[2:],
        b"\x02" + bytes([STREAM.suite]) + struct.pack(">H", MAX_KEY_CIPHERTEXT + 1),
        b"\x02\x20\x00\x00",
        b"\x03" + bytes(HEADER_SIZE),
    ],
    ids=["another suite", "too long", "no data key", "another form"],
)
def test_other_headers_are_malformed(octets):
    with pytest.raises(MalformedCiphertext):
        read_header(octets)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_data_key_of_another_size_opens_nothing(size):
    header = DataKeyHeader.decode(OCTETS)
    with pytest.raises(DecryptionFailed):
        header.opener(bytes(size), b"")


def test_a_stream_opens_only_with_its_header_and_aad():
    header = DataKeyHeader.decode(OCTETS)
    data_key, context = bytes(range(32)), b"cc/env/v1\x00" + OCTETS + b"\x00\x00\x00\x03aad"
    sealer = StreamSealer(KeyMaterial(data_key), b"", context)
    sealed = sealer.update(b"plain") + sealer.finish()
    opener = header.opener(data_key, b"aad")
    assert opener.update(sealed) + opener.finish() == b"plain"
    with pytest.raises(DecryptionFailed):
        header.opener(data_key, b"").update(sealed)


def test_the_longest_data_key_is_waited_for():
    begun = b"\x02" + bytes([STREAM.suite]) + struct.pack(">H", MAX_KEY_CIPHERTEXT)
    assert read_header(begun) is None


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (StreamHeader(KEY_ID, 7).encode(), True),
        (StreamHeader(KEY_ID, 7).encode() + b"more", True),
        (StreamHeader(KEY_ID, 7).encode()[:-1], False),
        (b"\x02\x20\x00\x30\x01\x01" + KEY_ID.bytes + bytes(4), True),  # a data key, cut off after its header
        (b"\x01\x01" + KEY_ID.bytes + bytes(4), True),  # a message instead of a stream
        (b"\x01\x7f" + KEY_ID.bytes + bytes(4), False),  # no suite, so it may be a plaintext
        (b"\x03\x01" + KEY_ID.bytes + bytes(4), False),
        (b"cc1." + base64.urlsafe_b64encode(b"\x01\x01" + KEY_ID.bytes), True),
        (b"\xff" * 36 + b"cc1." + base64.urlsafe_b64encode(b"\x01\x01" + KEY_ID.bytes), True),
        (b"\xff" * 37 + b"cc1." + base64.urlsafe_b64encode(b"\x01\x01" + KEY_ID.bytes), False),
        (b"", False),
    ],
)
def test_the_key_id_at_the_start_is_that_of_any_header(octets, found):
    assert key_id_at_start(octets) == (KEY_ID if found else None)
