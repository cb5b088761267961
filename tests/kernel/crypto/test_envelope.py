import base64
import string
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.errors import MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import envelope
from kernel.crypto.sealing.aead import Cipher, Sealed

LONGEST = 2 * 1024 * 1024

# Made with the bare library and hand-built bindings, not with this package: material 00 01 02 …, iv a0 a1 a2
# …, key 6f1c…, version 7, aad "invoice-4711". Stored ciphertexts have this format: a change here loses data.
GOLDEN = {
    "aes-256-gcm": "cc1.AQFvHBpODVtMV5pTK38fDJ4RAAAAB6ChoqOkpaanqKmqq3PDNaREn30cuAdrVURWaxajsX8QwYb7pkUbwY2H4hM8A4mQ",
    "aes-128-gcm": "cc1.AQJvHBpODVtMV5pTK38fDJ4RAAAAB6ChoqOkpaanqKmqq8yP_If4VisHu9w_lKXSTWvGfPm49g9VBxn7wWR9JO3hU9LH",
    "aes-256-gcm-siv": "cc1.AQNvHBpODVtMV5pTK38fDJ4RAAAAB6ChoqOkpaanqKmqq24fAR-_1UYtAbNW1jOuBuwiTtFlqgG6MadCsML-hGF8OiVz",
    "chacha20-poly1305": "cc1.AQRvHBpODVtMV5pTK38fDJ4RAAAAB6ChoqOkpaanqKmqq5eKz-zZEiHSw3j8HMrBPOvdEoUUY_g2gC6MRK1j5Z6sjeW1",
    "aes-256-cbc-hmac-sha512": "cc1.AQVvHBpODVtMV5pTK38fDJ4RAAAAB6ChoqOkpaanqKmqq6ytrq-xdAhxfbxoS5rRetOF6VoqabGQoVKhaXTgF-0iosPuTcq-Raxa89JsUrlw_8Jr5k0mAlAv0ZJikli2IQuaoan5",
    "aes-256-siv": "cc1.AQZvHBpODVtMV5pTK38fDJ4RAAAAB0Fv58Ne30BMItVKUC_XGBaBp83GT8YlI-RCyEFWsVkfAxFm",
}
URL_ALPHABET = string.ascii_letters + string.digits + "-_"


@st.composite
def envelopes(draw):
    mode = draw(
        st.sampled_from(
            sorted((mode for mode in SEALING_MODES.values() if mode.suite), key=lambda m: m.suite)
        )
    )
    ciphertext = draw(st.binary(max_size=100))
    if mode.padding:
        ciphertext = (ciphertext + bytes(16))[: len(ciphertext) // 16 * 16 + 16]
    sealed = Sealed(
        draw(st.binary(min_size=mode.iv_size, max_size=mode.iv_size)),
        ciphertext,
        draw(st.binary(min_size=mode.tag_size, max_size=mode.tag_size)),
    )
    return envelope.Envelope(mode, draw(st.uuids()), draw(st.integers(0, 2**32 - 1)), sealed)


def text_of(octets):
    return "cc1." + base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def assert_malformed(text):
    with pytest.raises(MalformedCiphertext) as refusal:
        envelope.decode(text, max_length=LONGEST)
    assert refusal.value.code == "malformed_ciphertext"


def test_ciphertexts_of_every_mode_made_elsewhere_open(mode, key_id):
    opened = envelope.decode(GOLDEN[mode.name], max_length=LONGEST)
    size = find_key_algorithm(mode.key_algorithm).key_size // 8
    cipher = Cipher(KeyMaterial(bytes(range(size))), mode)
    plaintext = cipher.open(opened.sealed, key_id=opened.key_id, version=opened.version, aad=b"invoice-4711")
    assert (opened.mode, opened.key_id, opened.version) == (mode, key_id, 7)
    assert plaintext == b"the quick brown fox"
    assert envelope.encode(opened) == GOLDEN[mode.name]


@given(envelopes())
def test_an_envelope_comes_back_from_its_text(original):
    text = envelope.encode(original)
    assert envelope.decode(text, max_length=LONGEST) == original
    assert set(text.removeprefix("cc1.")) <= set(URL_ALPHABET)


@given(st.one_of(st.text(), st.text(alphabet=URL_ALPHABET, min_size=30).map("cc1.".__add__)))
def test_any_text_is_malformed_or_the_only_spelling_of_what_it_says(text):
    try:
        decoded = envelope.decode(text, max_length=LONGEST)
    except MalformedCiphertext:
        return
    assert envelope.encode(decoded) == text


@given(st.binary(min_size=38, max_size=160), st.integers(1, 6))
def test_any_bytes_behind_a_right_start_are_malformed_or_canonical(tail, suite):
    text = text_of(bytes([1, suite]) + tail)
    try:
        decoded = envelope.decode(text, max_length=LONGEST)
    except MalformedCiphertext:
        return
    assert envelope.encode(decoded) == text


@given(envelopes(), st.data())
def test_any_one_character_inserted_is_noticed(original, data):
    text = envelope.encode(original)
    place = data.draw(st.integers(0, len(text)))
    character = data.draw(st.sampled_from(" \n\t=+/.\x00é"))
    assert_malformed(text[:place] + character + text[place:])


def test_trailing_bits_that_say_nothing_must_be_zero():
    text = envelope.encode(
        envelope.Envelope(SEALING_MODES["aes-256-siv"], uuid.UUID(int=0), 1, Sealed(b"", b"", bytes(16)))
    )
    assert len(text.removeprefix("cc1.")) % 4 == 3
    assert text.endswith("A")
    assert_malformed(text[:-1] + "B")


def test_the_standard_alphabet_is_not_a_second_spelling():
    text = GOLDEN["aes-128-gcm"]
    assert "_" in text
    assert_malformed(text.replace("_", "/"))
    text = GOLDEN["chacha20-poly1305"]
    assert "-" in text
    assert_malformed(text.replace("-", "+"))


@pytest.mark.parametrize(
    "text", ["", "c", "cc1", "cc1.", "cc1.A", "cc1.AQ", "CC1.AQ", "cc2.AQ", "cc1.\ud800", "cc1.AQ=="]
)
def test_a_text_without_an_envelope_is_malformed(text):
    assert_malformed(text)


def test_another_prefix_or_case_is_malformed():
    text = GOLDEN["aes-256-gcm"]
    for prefix in ("", "CC1.", "cc1", "cc1..", "cc2.", " cc1."):
        assert_malformed(prefix + text.removeprefix("cc1."))


@pytest.mark.parametrize("form", [0, 2, 255])
def test_another_form_is_malformed(form):
    octets = base64.urlsafe_b64decode(GOLDEN["aes-256-gcm"].removeprefix("cc1."))
    assert text_of(octets) == GOLDEN["aes-256-gcm"]
    assert_malformed(text_of(bytes([form]) + octets[1:]))


@pytest.mark.parametrize("suite", [0, 7, 0x20, 255])
def test_an_unknown_suite_is_malformed(suite):
    octets = base64.urlsafe_b64decode(GOLDEN["aes-256-gcm"].removeprefix("cc1."))
    assert_malformed(text_of(octets[:1] + bytes([suite]) + octets[2:]))


def test_iv_and_tag_never_overlap(mode):
    """If iv and tag shared bytes, a body shorter than both together could still satisfy both lengths."""
    header = bytes([1, mode.suite]) + bytes(20)
    for size in range(mode.iv_size + mode.tag_size):
        assert_malformed(text_of(header + bytes(size)))


@pytest.mark.parametrize("size", [0, 15, 17, 31])
def test_cbc_ciphertext_of_broken_blocks_is_malformed_in_the_text_already(size, key_id):
    mode = SEALING_MODES["aes-256-cbc-hmac-sha512"]
    sealed = Sealed(bytes(16), bytes(size), bytes(32))
    assert_malformed(envelope.encode(envelope.Envelope(mode, key_id, 1, sealed)))


def test_a_text_is_measured_before_it_is_decoded(key_id):
    def of(size):
        return envelope.encode(
            envelope.Envelope(
                SEALING_MODES["aes-256-gcm"], key_id, 1, Sealed(bytes(12), bytes(size), bytes(16))
            )
        )

    assert envelope.decode(of(100), max_length=len(of(100))).version == 1
    with pytest.raises(MalformedCiphertext):
        envelope.decode(of(100), max_length=len(of(100)) - 1)
    assert len(envelope.decode(of(2**20), max_length=LONGEST).sealed.ciphertext) == 2**20
    assert_malformed(of(2**21))


def test_an_envelope_prints_no_ciphertext():
    shown = repr(envelope.decode(GOLDEN["aes-256-gcm"], max_length=LONGEST))
    assert "<Sealed>" in shown
    assert "\\x" not in shown


def test_the_cache_of_headers_holds_no_messages():
    envelope._read_header.cache_clear()
    for octets in (b"one", b"two"):
        header = envelope.pack_header(SEALING_MODES["aes-256-gcm"], uuid.UUID(int=1), 1)
        envelope.decode_octets(header + bytes(12) + octets + bytes(16))
    assert envelope._read_header.cache_info().currsize == 1


@given(envelopes(), st.text(), st.text(), st.integers(28, 400))
def test_a_key_id_is_found_in_any_text_also_if_the_rest_is_missing(sealed, before, after, size):
    text = envelope.encode(sealed)[:size]
    assert sealed.key_id in set(envelope.key_ids_in(f"{before}{text} {after}"))
    assert set(envelope.key_ids_in(text[:27])) == set()


@pytest.mark.parametrize(
    "piece", ["c", "cc1.", "cc1.AQ" + "A" * 21 + ".", "cc1.AQ" + "A" * 22, "cc1.AA" + "A" * 22]
)
def test_a_search_for_key_ids_takes_linear_time(piece):
    began = time.process_time()
    list(envelope.key_ids_in(piece * (LONGEST // len(piece))))
    assert time.process_time() - began < 1  # about 0.02 s; quadratic time would be minutes


def test_each_key_id_is_found_once_in_order():
    one, two = uuid.UUID(int=1), uuid.UUID(int=2)
    starts = [
        bytes([1, 1]) + one.bytes,
        bytes([1, 1]) + one.bytes,
        bytes([1, 2]) + one.bytes,
        bytes([1, 1]) + two.bytes,
    ]
    assert list(envelope.key_ids_in(" ".join(map(text_of, starts)))) == [one, two]
