import threading
import uuid

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import aead, envelope
from kernel.crypto.sealing.cbc_hmac import AesCbcHmacSha512
from tests.kernel.crypto.conftest import AEAD_MODES, new_cipher

CIPHERS = {mode.name: new_cipher(mode) for mode in AEAD_MODES}


@given(
    st.sampled_from(sorted(CIPHERS)),
    st.binary(max_size=200),
    st.binary(max_size=80),
    st.uuids(),
    st.integers(0, 2**32 - 1),
)
def test_sealed_data_opens_and_every_part_has_its_length(name, plaintext, aad, key_id, version):
    mode, cipher = SEALING_MODES[name], CIPHERS[name]
    sealed = cipher.seal(plaintext, key_id=key_id, version=version, aad=aad)
    padding = 16 - len(plaintext) % 16 if mode.padding else 0
    assert (len(sealed.iv), len(sealed.tag)) == (mode.iv_size, mode.tag_size)
    assert len(sealed.ciphertext) == len(plaintext) + padding
    assert cipher.open(sealed, key_id=key_id, version=version, aad=aad) == plaintext


def test_message_aad_is_the_documented_byte_string(key_id):
    bound = aead.message_aad(key_id, 258, SEALING_MODES["aes-256-cbc-hmac-sha512"], b"caller")
    assert (
        bound
        == b"cc/msg/v1\x00" + key_id.bytes + b"\x00\x00\x01\x02" + b"\x05" + b"\x00\x00\x00\x06" + b"caller"
    )


def test_every_iv_is_fresh_unless_the_mode_is_deterministic(mode, cipher, key_id):
    sealed = [cipher.seal(b"same", key_id=key_id, version=1, aad=b"") for _ in range(200)]
    assert len({s.iv for s in sealed}) == (1 if mode.deterministic else 200)
    assert len({s.ciphertext for s in sealed}) == (1 if mode.deterministic else 200)


def test_many_messages_are_sealed_each_with_its_own_iv_and_aad(mode, cipher, key_id):
    messages = [(b"one", b""), (b"two", b"aad"), (b"three", b""), (b"", b"other")]
    pieces = cipher.seal_many(messages, key_id=key_id, version=3)
    assert len({piece[: mode.iv_size] for piece in pieces}) == (1 if mode.iv_size == 0 else len(messages))
    for text, (plaintext, aad) in zip(envelope.encode_many(mode, key_id, 3, pieces), messages, strict=True):
        sealed = envelope.decode(text, max_length=1000).sealed
        assert cipher.open(sealed, key_id=key_id, version=3, aad=aad) == plaintext


def test_no_one_can_hand_seal_an_iv(cipher, key_id):
    with pytest.raises(TypeError):
        cipher.seal(b"x", key_id=key_id, version=1, aad=b"", iv=bytes(12))


def test_wrong_key_id_version_aad_or_key_give_one_and_the_same_error(mode, cipher, key_id):
    sealed = cipher.seal(b"payload", key_id=key_id, version=3, aad=b"aad")
    attempts = [
        (cipher, {"key_id": uuid.uuid4(), "version": 3, "aad": b"aad"}),
        (cipher, {"key_id": key_id, "version": 4, "aad": b"aad"}),
        (cipher, {"key_id": key_id, "version": 3, "aad": b""}),
        (cipher, {"key_id": key_id, "version": 3, "aad": b"aad\x00"}),
        (new_cipher(mode), {"key_id": key_id, "version": 3, "aad": b"aad"}),
    ]
    texts = set()
    for other, arguments in attempts:
        with pytest.raises(DecryptionFailed) as refusal:
            other.open(sealed, **arguments)
        texts.add((refusal.value.code, refusal.value.title, refusal.value.detail))
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__
    assert len(texts) == 1


def test_a_message_of_one_mode_does_not_open_in_another_of_the_same_key(key_id):
    material = KeyMaterial.generate(32)
    sealed = aead.Cipher(material, SEALING_MODES["aes-256-gcm"]).seal(
        b"payload", key_id=key_id, version=1, aad=b""
    )
    with pytest.raises(DecryptionFailed):
        aead.Cipher(material, SEALING_MODES["aes-256-gcm-siv"]).open(
            sealed, key_id=key_id, version=1, aad=b""
        )


def test_material_of_another_key_algorithm_makes_no_cipher():
    with pytest.raises(ValueError, match="not a key for aes-256-gcm"):
        aead.Cipher(KeyMaterial.generate(16), SEALING_MODES["aes-256-gcm"])


def test_sealed_prints_none_of_its_parts(cipher, key_id):
    assert repr(cipher.seal(b"payload", key_id=key_id, version=1, aad=b"")) == "<Sealed>"


@pytest.mark.parametrize("size", [0, 1, 15, 17, 31])
def test_cbc_ciphertext_of_broken_blocks_is_malformed(size, key_id):
    cipher = CIPHERS["aes-256-cbc-hmac-sha512"]
    with pytest.raises(MalformedCiphertext, match="whole blocks of 16 bytes"):
        cipher.open(aead.Sealed(bytes(16), bytes(size), bytes(32)), key_id=key_id, version=1, aad=b"")


def test_wrong_padding_under_a_right_mac_is_the_same_error_as_a_wrong_mac():
    """Only a holder of the key can make such a message, but the error must be the same even then."""
    mode, key, iv = SEALING_MODES["aes-256-cbc-hmac-sha512"], bytes(range(64)), bytes(16)
    cipher = AesCbcHmacSha512(key)
    encryptor = BlockCipher(AES(key[32:]), CBC(iv)).encryptor()
    ciphertext = encryptor.update(b"fifteen bytes..\x02") + encryptor.finalize()
    sealed = aead.Sealed(iv, ciphertext, cipher._tag(iv, ciphertext, b"aad"))
    with pytest.raises(DecryptionFailed) as wrong_padding:
        aead._open(cipher, mode, sealed, b"aad")
    with pytest.raises(DecryptionFailed) as wrong_mac:
        aead._open(cipher, mode, sealed, b"another")
    assert wrong_padding.value.detail == wrong_mac.value.detail
    assert wrong_padding.value.__suppress_context__


def test_one_cipher_serves_many_threads(cipher, key_id):
    wrong = []

    def work(number):
        for turn in range(200):
            plaintext = f"{number}/{turn}".encode() * 5
            sealed = cipher.seal(plaintext, key_id=key_id, version=number, aad=b"a")
            if cipher.open(sealed, key_id=key_id, version=number, aad=b"a") != plaintext:
                wrong.append(plaintext)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
