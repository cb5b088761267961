"""Local envelope encryption: the format, and the data keys in memory."""

import asyncio
import hashlib
import hmac
import os
import stat
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ciphercanary_client import DecryptionFailed
from ciphercanary_client.async_envelope import AsyncEnvelope
from ciphercanary_client.data_key_cache import DEFAULT_LIMITS, DataKeyCache, DataKeyLimits, OpenKey
from ciphercanary_client.envelope import Envelope
from ciphercanary_client.models import DataKey

CHUNK = 16 * 1024


@pytest.fixture
def envelope(service):
    return Envelope(service, "name:orders", DEFAULT_LIMITS)


def sealed_by_hand(key, wrapped, plaintext, aad, salt=bytes(24)):
    """The format of docs/ciphertext-format.md, without our code and without the library's Cobblestone."""
    header = b"\x02\x20" + struct.pack(">H", len(wrapped)) + wrapped
    context = b"cc/env/v1\x00" + header + struct.pack(">I", len(aad)) + aad
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + salt + context
    first = hmac.digest(key, info + b"\x01", hashlib.sha512)
    derived = first + hmac.digest(key, first + info + b"\x02", hashlib.sha512)
    subkey, nonce, commitment = derived[:32], derived[32:44], derived[44:76]
    chunks = [plaintext[begin : begin + CHUNK] for begin in range(0, len(plaintext) + 1, CHUNK)]
    sealed = [
        AESGCM(subkey).encrypt((int.from_bytes(nonce, "big") ^ number).to_bytes(12, "big"), chunk, None)
        for number, chunk in enumerate(chunks)
    ]
    return b"".join([header, salt, commitment, *sealed])


@pytest.mark.parametrize("size", [0, 5, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_an_envelope_made_by_hand_opens(envelope, service, size):
    made = service.data_key("name:orders")
    plaintext = bytes(range(256)) * (size // 256 + 1)
    sealed = sealed_by_hand(made.plaintext, service.wrapped("name:orders", 1), plaintext[:size], b"aad")
    assert envelope.decrypt(sealed, b"aad") == plaintext[:size]


def test_our_envelope_has_the_size_and_header_of_the_format(envelope, service):
    sealed = envelope.encrypt(b"hello", b"aad")
    by_hand = sealed_by_hand(bytes(32), service.wrapped("name:orders", 1), b"hello", b"aad")
    assert len(sealed) == len(by_hand)
    assert sealed[:36] == by_hand[:36]
    assert envelope.decrypt(sealed, b"aad") == b"hello"


def test_every_altered_or_truncated_envelope_fails_to_decrypt(envelope):
    sealed = envelope.encrypt(b"hello", b"aad")
    altered = [
        sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))
    ]
    truncated = [sealed[:size] for size in range(len(sealed))]
    for each in [*altered, *truncated, sealed + b"\0"]:
        with pytest.raises(DecryptionFailed):
            envelope.decrypt(each, b"aad")
    with pytest.raises(DecryptionFailed):
        envelope.decrypt(sealed, b"another")


def test_a_stream_without_its_last_chunk_does_not_open(envelope):
    sealed = envelope.encrypt(bytes(2 * CHUNK))
    with pytest.raises(DecryptionFailed):
        envelope.decrypt(sealed[: -(CHUNK + 16)])


@pytest.mark.parametrize("suite", [1, 16, 17])
def test_an_envelope_of_another_key_is_refused_without_decryption(service, tmp_path, suite):
    sealed = sealed_by_hand(bytes(32), service.wrapped("name:invoices", 1, suite), b"hello", b"")
    file = tmp_path / "sealed"
    file.write_bytes(sealed)
    for reference in ("name:orders", service.key("name:orders").id):
        envelope = Envelope(service, reference, DEFAULT_LIMITS)
        with pytest.raises(DecryptionFailed, match="another key"):
            envelope.decrypt(sealed)
        with pytest.raises(DecryptionFailed, match="another key"):
            envelope.decrypt_file(file, tmp_path / "target")
    assert (service.opened, service.resolved) == (0, 2)  # one of them is by this test


def test_the_id_of_a_key_is_read_once_and_only_if_it_is_unknown(envelope, service):
    sealed = [envelope.encrypt(b"hello")]
    assert envelope.decrypt(sealed[0]) == b"hello"
    assert service.resolved == 0
    sealed.append(Envelope(service, "name:orders", DEFAULT_LIMITS).encrypt(b"hello"))
    reader = Envelope(service, "name:orders", DEFAULT_LIMITS)
    assert {reader.decrypt(each) for each in sealed} == {b"hello"}
    assert service.resolved == 1


def test_many_messages_use_one_data_key_and_open_it_once(envelope, service):
    sealed = [envelope.encrypt(b"hello") for _ in range(100)]
    assert len(set(sealed)) == 100
    assert {envelope.decrypt(each) for each in sealed} == {b"hello"}
    assert (service.generated, service.opened) == (1, 1)


def test_threads_that_start_together_generate_one_data_key(envelope, service, monkeypatch):
    generate = service.data_key
    monkeypatch.setattr(service, "data_key", lambda key: [time.sleep(0.02), generate(key)][1])
    with ThreadPoolExecutor(16) as pool:
        sealed = list(pool.map(lambda _: envelope.encrypt(b"hello"), range(200)))
        assert set(pool.map(envelope.decrypt, sealed)) == {b"hello"}
    assert service.generated == 1


def test_a_closed_envelope_forgets_its_keys(service):
    with Envelope(service, "name:orders", DEFAULT_LIMITS) as envelope:
        sealed = envelope.encrypt(b"hello")
        envelope.decrypt(sealed)
    envelope.decrypt(sealed)
    envelope.encrypt(b"hello")
    assert (service.generated, service.opened) == (2, 2)


def key(number):
    return OpenKey(bytes([number]) * 32, bytes([number]))


@pytest.mark.parametrize(
    ("limits", "sizes", "seconds", "taken"),
    [
        ((10, 3, 100), [1, 1], 9, True),
        ((10, 3, 100), [1, 1, 1], 0, False),  # messages
        ((10, 9, 100), [50, 50], 0, False),  # bytes
        ((10, 9, 100), [50, 49], 0, True),
        ((10, 9, 100), [1], 10, False),  # age
    ],
)
def test_a_data_key_ends_with_the_first_of_its_limits(limits, sizes, seconds, taken):
    now = [0.0]
    cache = DataKeyCache(DataKeyLimits(*limits), clock=lambda: now[0])
    assert cache.take(sizes[0]) is None
    cache.replace(key(1), sizes[0])
    assert all(cache.take(size) for size in sizes[1:])
    now[0] = seconds
    assert (cache.take(1) is not None) == taken


@pytest.mark.parametrize("limits", [(-1, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_impossible_limits_are_rejected(limits):
    with pytest.raises(ValueError, match="at least 1"):
        DataKeyLimits(*limits)


def test_opened_keys_are_bounded_by_number_and_age():
    now = [0.0]
    cache = DataKeyCache(DataKeyLimits(max_age=10, max_opened=2), clock=lambda: now[0])
    cache.put(b"1", b"one")
    cache.put(b"2", b"two")
    assert cache.get(b"1") == b"one"
    cache.put(b"3", b"three")
    assert [cache.get(each) for each in (b"1", b"2", b"3")] == [b"one", None, b"three"]
    now[0] = 10
    assert cache.get(b"1") is None


@pytest.mark.parametrize("use", [lambda cache: cache.take(1), lambda cache: cache.get(b"another")])
def test_expired_keys_are_dropped_with_the_next_use_of_any_key(use):
    now = [0.0]
    cache = DataKeyCache(DataKeyLimits(max_age=10), clock=lambda: now[0])
    cache.replace(key(1), 1)
    now[0] = 1
    cache.put(b"header", b"opened")
    now[0] = 10
    use(cache)
    assert (cache._sealing, len(cache._opened)) == (None, 1)
    now[0] = 11
    use(cache)
    assert len(cache._opened) == 0


def test_a_maximum_age_of_0_keeps_no_key(service):
    envelope = Envelope(service, "name:orders", DataKeyLimits(max_age=0))
    sealed = [envelope.encrypt(b"hello") for _ in range(2)]
    assert [envelope.decrypt(each) for each in sealed] == [b"hello"] * 2
    assert (service.generated, service.opened) == (2, 2)
    assert (envelope._cache._sealing, len(envelope._cache._opened)) == (None, 0)


@pytest.mark.parametrize("plaintext", [None, bytes(16)])
def test_only_a_data_key_of_32_bytes_encrypts(plaintext):
    with pytest.raises(ValueError, match="32 bytes"):
        OpenKey.of(DataKey("cc1.AAAA", plaintext, "aes-256-gcm", "", 1))


@pytest.mark.parametrize("ciphertext", ["AAAA", "cc1.AA==", "cc1.AB", "cc1.A A"])
def test_the_ciphertext_of_a_data_key_is_canonical(ciphertext):
    with pytest.raises(ValueError, match=r"ciphertext|base64|Excess|decode|padding"):
        OpenKey.of(DataKey(ciphertext, bytes(32), "aes-256-gcm", "", 1))


@pytest.mark.parametrize("size", [0, 1, 3 * 256 * 1024 + 5])
def test_a_file_is_encrypted_and_decrypted(envelope, tmp_path, size):
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(bytes(size))
    envelope.encrypt_file(plain, sealed, b"aad")
    envelope.decrypt_file(str(sealed), opened, b"aad")
    assert opened.read_bytes() == plain.read_bytes()
    assert envelope.decrypt(sealed.read_bytes(), b"aad") == plain.read_bytes()
    assert stat.S_IMODE(opened.stat().st_mode) == 0o600


def test_a_file_that_does_not_open_leaves_the_target_as_it_was(envelope, tmp_path):
    sealed, target, new = (tmp_path / name for name in ("sealed", "target", "new"))
    whole = envelope.encrypt(bytes(5 * CHUNK))
    target.write_bytes(b"before")
    for altered in (whole[:-1], whole[:-16], whole[:100], whole + b"\0", whole[:10], b""):
        sealed.write_bytes(altered)
        for path in (target, new):
            with pytest.raises(DecryptionFailed):
                envelope.decrypt_file(sealed, path)
    assert target.read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"sealed", "target"}


def test_a_missing_source_leaves_nothing(envelope, tmp_path):
    with pytest.raises(FileNotFoundError):
        envelope.encrypt_file(tmp_path / "missing", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_rejected_because_it_cannot_be_read_twice(envelope, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for transform in (envelope.encrypt_file, envelope.decrypt_file):
        with pytest.raises(ValueError, match="not a regular file"):
            transform(tmp_path / "pipe", tmp_path / "target")


def test_a_file_can_replace_itself(envelope, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"hello")
    envelope.encrypt_file(file, file)
    envelope.decrypt_file(file, file)
    assert file.read_bytes() == b"hello"


def test_the_asynchronous_envelope_has_the_same_format_and_limits(envelope, service, tmp_path):
    class Source:
        async def data_key(self, key):
            await asyncio.sleep(0)
            return service.data_key(key)

        async def decrypt(self, ciphertext):
            return service.decrypt(ciphertext)

        async def key(self, reference):
            return service.key(reference)

    async def use():
        async with AsyncEnvelope(Source(), "name:orders", DEFAULT_LIMITS) as other:
            sealed = await asyncio.gather(*(other.encrypt(b"hello", b"aad") for _ in range(50)))
            assert service.generated == 1
            assert {envelope.decrypt(each, b"aad") for each in sealed} == {b"hello"}
            assert await other.decrypt(envelope.encrypt(b"hello")) == b"hello"
            plain, sealed_file, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
            plain.write_bytes(b"hello" * CHUNK)
            await other.encrypt_file(plain, sealed_file)
            await other.decrypt_file(sealed_file, opened)
            assert opened.read_bytes() == plain.read_bytes()
        other = AsyncEnvelope(Source(), "name:invoices", DEFAULT_LIMITS)
        with pytest.raises(DecryptionFailed, match="another key"):
            await other.decrypt(sealed[0], b"aad")
        with pytest.raises(DecryptionFailed, match="another key"):
            await other.decrypt_file(sealed_file, opened)

    asyncio.run(use())


def test_no_representation_has_key_bytes(envelope, service):
    made = service.data_key("name:orders")
    assert "\\x01" not in repr([made, OpenKey.of(made), envelope])
