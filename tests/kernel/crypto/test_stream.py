"""Streams: the published vectors of their construction, the binding of our header, and alterations."""

import base64
import json
import uuid
import zlib
from hashlib import sha256
from itertools import pairwise

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.aead import Sealed
from kernel.crypto.sealing.stream import (
    CHUNK_SIZE,
    HEADER_SIZE,
    STREAM,
    StreamCipher,
    StreamHeader,
    StreamOpener,
    UploadCipher,
    sealed_size,
)
from tests.kernel.crypto.reference_stream import Reference

KEY_ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
HEADER = StreamHeader(KEY_ID, 7)
MATERIAL = bytes(range(32))
AAD = b"order 7"
SIZES = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 100_000]
SEALED_CHUNK = CHUNK_SIZE + 16
FIRST_CHUNK = HEADER_SIZE + 56


def vectors():
    with cryptography_vectors.open_vector_file("chunked-encryption/vectors.json", "r") as file:
        found = [each for each in json.load(file)["vectors"] if each["aead"] == "AEAD_AES_256_GCM"]
    return [pytest.param(each, id=each["name"]) for each in found]


def ciphertext_of(vector):
    octets = base64.b64decode(vector["ciphertext"] or "")
    return zlib.decompress(octets) if vector.get("compressed") else octets


@pytest.fixture
def cipher():
    return StreamCipher(KeyMaterial(MATERIAL))


def seal(cipher, plaintext, *, header=HEADER, aad=AAD, step=10_000):
    sealer = cipher.sealer(header, aad)
    parts = [sealer.update(plaintext[at : at + step]) for at in range(0, len(plaintext), step)]
    return b"".join([*parts, sealer.finish()])


def unseal(cipher, octets, *, header=None, aad=AAD, step=10_000):
    opener = cipher.opener(header or StreamHeader.decode(octets), aad)
    body = octets[HEADER_SIZE:]
    parts = [opener.update(body[at : at + step]) for at in range(0, len(body), step)]
    return b"".join([*parts, opener.finish()])


@pytest.mark.parametrize("vector", vectors())
def test_the_published_vectors_hold_for_what_our_streams_are_compared_with(vector):
    key, octets = bytes.fromhex(vector["key"]), ciphertext_of(vector)
    if len(key) != 32:
        return  # a subkey of another length is refused before anything is opened
    reference = Reference(SHA256(), key, octets[:24], vector["context"].encode())
    if vector["expect"] == "failure":
        with pytest.raises(InvalidTag):
            reference.open(octets)
        return
    assert (reference.key.hex(), reference.nonce.hex()) == (vector["aead_key"], vector["base_nonce"])
    plaintext = reference.open(octets)
    assert (len(plaintext), sha256(plaintext).hexdigest()) == (
        vector["payload_length"],
        vector["payload_sha256"],
    )
    assert reference.seal(octets[:24], plaintext) == octets


@pytest.mark.parametrize("size", SIZES)
def test_our_streams_are_the_specified_ones_both_ways(cipher, size):
    plaintext, salt = bytes(n % 251 for n in range(size)), bytes(range(24))
    octets = seal(cipher, plaintext)
    assert reference_of(octets[HEADER_SIZE:][:24]).open(octets[HEADER_SIZE:]) == plaintext
    made = HEADER.encode() + reference_of(salt).seal(salt, plaintext)
    assert unseal(cipher, made) == plaintext


def reference_of(salt):
    subkey = HKDF(SHA256(), length=32, salt=None, info=b"cc/sub/v1\x00stream").derive(MATERIAL)
    context = b"cc/msg/v1\x00" + KEY_ID.bytes + b"\x00\x00\x00\x07" + b"\x20" + b"\x00\x00\x00\x07order 7"
    return Reference(SHA512(), subkey, salt, context)


@pytest.mark.parametrize("size", [16, 24, 31, 33])
def test_a_subkey_of_another_length_is_refused(size):
    with pytest.raises(ValueError, match="32 bytes"):
        StreamOpener(KeyMaterial(bytes(size)), b"")


def test_a_stream_begins_as_every_ciphertext_does_but_for_its_suite(cipher):
    sealed = Sealed(bytes(12), b"", bytes(16))
    message = envelope.decode_base64url(
        envelope.encode(envelope.Envelope(SEALING_MODES["aes-256-gcm"], KEY_ID, 7, sealed)).removeprefix(
            "cc1."
        )
    )
    stream = seal(cipher, b"")
    assert (stream[0], stream[2:22]) == (message[0], message[2:22])
    assert stream[1] == 0x20


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_opens_and_has_the_size_that_was_foretold(cipher, size):
    plaintext = bytes(n % 251 for n in range(size))
    octets = seal(cipher, plaintext)
    assert unseal(cipher, octets) == plaintext
    assert len(octets) == sealed_size(size)


@given(cuts=st.lists(st.integers(0, 70_000), max_size=6))
def test_a_stream_in_any_pieces_has_the_same_plaintext(cuts):
    cipher = StreamCipher(KeyMaterial(MATERIAL))
    plaintext, edges = bytes(70_000), [0, *sorted(cuts), 70_000]
    sealer = cipher.sealer(HEADER, AAD)
    pieces = [sealer.update(plaintext[a:b]) for a, b in pairwise(edges)]
    octets = b"".join([*pieces, sealer.finish()])
    assert len(octets) == sealed_size(len(plaintext))
    assert unseal(cipher, octets, step=7001) == plaintext


def test_an_upload_at_rest_is_a_stream_without_a_header_bound_to_its_id():
    key, upload_id = KeyMaterial.generate(32), uuid.uuid4()
    sealer = UploadCipher(key, upload_id).sealer()
    sealed = sealer.update(b"data") + sealer.finish()
    opener = StreamOpener(key, b"cc/upload/v1\0" + upload_id.bytes)
    assert opener.update(sealed) + opener.finish() == b"data"


def test_two_streams_of_the_same_data_differ(cipher):
    assert seal(cipher, b"the same") != seal(cipher, b"the same")


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_that_was_cut_anywhere_does_not_open(cipher, size):
    octets = seal(cipher, bytes(size))
    edges = {HEADER_SIZE, FIRST_CHUNK, len(octets) - 1, len(octets) - 16, len(octets) - 17}
    edges |= set(range(FIRST_CHUNK, len(octets), SEALED_CHUNK)) - {len(octets)}
    for end in edges:
        with pytest.raises(DecryptionFailed):
            unseal(cipher, octets[:end])


def test_nothing_of_a_stream_without_its_last_chunk_is_called_complete(cipher):
    sealer = cipher.sealer(HEADER, AAD)
    unfinished = sealer.update(bytes(3 * CHUNK_SIZE))
    with pytest.raises(DecryptionFailed):
        unseal(cipher, unfinished)


def test_no_bit_of_a_short_stream_can_be_changed(cipher):
    octets = seal(cipher, b"short")
    for at in range(2, len(octets)):
        altered = bytearray(octets)
        altered[at] ^= 1
        with pytest.raises(DecryptionFailed):
            unseal(cipher, bytes(altered))


def test_chunks_cannot_be_exchanged_repeated_or_taken_from_another_stream(cipher):
    octets, other = seal(cipher, bytes(3 * CHUNK_SIZE)), seal(cipher, bytes(3 * CHUNK_SIZE))
    start, chunks, end = octets[:FIRST_CHUNK], chunks_of(octets), octets[FIRST_CHUNK + 3 * SEALED_CHUNK :]
    for arranged in (
        [chunks[1], chunks[0], chunks[2]],
        [chunks[0], chunks[0], chunks[1], chunks[2]],
        [chunks[0], chunks[2]],
        [chunks[0], chunks_of(other)[1], chunks[2]],
    ):
        with pytest.raises(DecryptionFailed):
            unseal(cipher, b"".join([start, *arranged, end]))


def chunks_of(octets):
    return [octets[at : at + SEALED_CHUNK] for at in range(FIRST_CHUNK, len(octets) - 16, SEALED_CHUNK)]


@pytest.mark.parametrize(
    ("header", "aad"),
    [
        (StreamHeader(uuid.uuid4(), 7), AAD),
        (StreamHeader(KEY_ID, 8), AAD),
        (HEADER, b""),
        (HEADER, AAD + b"\x00"),
    ],
    ids=["another key", "another version", "no aad", "another aad"],
)
def test_a_stream_opens_under_what_it_was_sealed_with_only(cipher, header, aad):
    with pytest.raises(DecryptionFailed):
        unseal(cipher, seal(cipher, b"hello"), header=header, aad=aad)


def test_another_key_does_not_open_it(cipher):
    with pytest.raises(DecryptionFailed):
        unseal(StreamCipher(KeyMaterial.generate(32)), seal(cipher, b"hello"))


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x01\x20", HEADER.encode()[:-1], b"\x02" + HEADER.encode()[1:], b"\x01\x01" + bytes(20)],
    ids=["empty", "two bytes", "one byte short", "another form", "a message"],
)
def test_a_bad_start_of_a_stream_is_malformed(octets):
    with pytest.raises(MalformedCiphertext):
        StreamHeader.decode(octets)


def test_a_header_shows_what_was_written_into_it():
    assert StreamHeader.decode(HEADER.encode() + b"more") == HEADER
    assert len(HEADER.encode()) == HEADER_SIZE == 22


def test_streams_need_the_material_of_an_aes_256_key():
    with pytest.raises(ValueError, match="not a key for stream"):
        StreamCipher(KeyMaterial.generate(16))


def test_the_mode_of_streams_is_none_of_those_for_messages():
    assert STREAM.name not in SEALING_MODES
    assert STREAM.suite not in {mode.suite for mode in SEALING_MODES.values()}


def test_nothing_of_it_prints_key_bytes(cipher):
    parts = [cipher, cipher.sealer(HEADER, AAD), cipher.opener(HEADER, AAD)]
    assert [repr(part) for part in parts] == ["<StreamCipher>", "<StreamSealer>", "<StreamOpener>"]
