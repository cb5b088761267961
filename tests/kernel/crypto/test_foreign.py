"""Messages of other systems: made by Node.js, and the vector of the Fernet specification."""

import base64
import uuid

import pytest

from kernel.crypto.encoding import decode_base64url
from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import foreign
from kernel.crypto.sealing.aead import Sealed
from kernel.crypto.sealing.foreign import FERNET, FernetOpener, RawOpener

PLACE = {"key_id": uuid.UUID(int=1), "version": 1}
KEY = bytes(range(32))
MESSAGE = b"the canary sings at four"
# createCipheriv("aes-256-gcm", key, iv of 16 bytes) with the additional data "row 7"
LONG_IV = Sealed(
    bytes(range(100, 116)),
    bytes.fromhex("acdb2671877549b9c0808dfa2eb98b167a102ce0fa809579"),
    bytes.fromhex("6de26831c1fd57f2c0aa071fb0bb54d1"),
)
# createCipheriv("aes-192-gcm", the first 24 bytes of the key, iv of 12 bytes)
AES_192 = Sealed(
    bytes(range(100, 112)),
    bytes.fromhex("9d00de5c31ce6059a1a8c272939cfccdfd382aea9ce6049d"),
    bytes.fromhex("fbc67a504e4943703545b656b33dc3c3"),
)
# generate.json of the specification
SECRET = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
TOKEN = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="


def opener(octets=KEY, mode="aes-256-gcm-raw"):
    return RawOpener(KeyMaterial(octets), SEALING_MODES[mode])


def fernet_opener():
    return FernetOpener(KeyMaterial(decode_base64url(SECRET.rstrip("="))), FERNET)


def sealed_of(token, max_length=1000):
    return foreign.sealed_of(token, max_length=max_length)


def test_messages_of_aes_gcm_open_with_their_own_additional_data():
    assert opener().open(LONG_IV, aad=b"row 7", **PLACE) == MESSAGE
    assert opener(KEY[:24], "aes-192-gcm-raw").open(AES_192, aad=b"", **PLACE) == MESSAGE
    for other in (LONG_IV._replace(tag=bytes(16)), LONG_IV._replace(ciphertext=bytes(24))):
        with pytest.raises(DecryptionFailed):
            opener().open(other, aad=b"row 7", **PLACE)
    with pytest.raises(DecryptionFailed):
        opener().open(LONG_IV, aad=b"row 8", **PLACE)


@pytest.mark.parametrize("sizes", [(7, 16), (65, 16), (12, 15), (12, 17), (12, 12)])
def test_a_nonce_or_a_tag_of_another_length_is_malformed(sizes):
    iv, tag = map(bytes, sizes)
    with pytest.raises(MalformedCiphertext, match="an iv of 8 to 64 bytes and a tag of 16 bytes"):
        opener().open(Sealed(iv, b"text", tag), aad=b"", **PLACE)


@pytest.mark.parametrize("size", [8, 64])
def test_a_nonce_of_any_usual_length_is_tried(size):
    with pytest.raises(DecryptionFailed):
        opener().open(Sealed(bytes(size), b"text", bytes(16)), aad=b"", **PLACE)


def test_a_fernet_token_opens_and_an_altered_one_does_not():
    assert foreign.is_token(TOKEN)
    assert fernet_opener().open(sealed_of(TOKEN), aad=b"", **PLACE) == b"hello"
    altered = sealed_of(TOKEN)
    altered = altered._replace(ciphertext=altered.ciphertext[:-1] + b"\0")
    for sealed in (altered, Sealed(b"", b"", b""), sealed_of(TOKEN)._replace(iv=b"1")):
        with pytest.raises(DecryptionFailed):
            fernet_opener().open(sealed, aad=b"", **PLACE)
    with pytest.raises(DecryptionFailed):
        fernet_opener().open(sealed_of(TOKEN)._replace(tag=b"1"), aad=b"", **PLACE)
    with pytest.raises(DecryptionFailed):
        fernet_opener().open(sealed_of(TOKEN), aad=b"additional", **PLACE)


@pytest.mark.parametrize(
    "token", [TOKEN[:-1], TOKEN + "=", TOKEN.replace("_", "/"), TOKEN + "ä===", TOKEN + "===="]
)
def test_a_token_has_one_spelling(token):
    with pytest.raises(MalformedCiphertext):
        sealed_of(token)


@pytest.mark.parametrize("size", [89, 105, 121])
def test_a_token_has_the_padding_of_its_length(size):
    octets = b"\x80" + bytes(size - 2) + b"\x17"
    token = base64.urlsafe_b64encode(octets).decode()
    assert token.endswith({89: "=", 105: "X", 121: "=="}[size])
    assert sealed_of(token).ciphertext == octets


def test_a_token_has_a_limited_length():
    assert sealed_of(TOKEN, len(TOKEN)).ciphertext
    with pytest.raises(MalformedCiphertext):
        sealed_of(TOKEN, len(TOKEN) - 1)
