import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.encoding import decode_base64, decode_base64url, encode_base64, encode_base64url
from kernel.errors import Invalid


def decode(text, max_bytes=1000):
    return decode_base64(text, field="data", max_bytes=max_bytes)


@given(st.binary(max_size=300))
def test_bytes_come_back_and_the_text_is_standard_base64(octets):
    text = encode_base64(octets)
    assert text == base64.b64encode(octets).decode()
    assert decode(text) == octets


@given(st.one_of(st.text(), st.text(alphabet="AQgwz09+/= \n-_", max_size=40)))
def test_any_text_is_refused_or_the_only_spelling_of_its_bytes(text):
    try:
        octets = decode(text)
    except Invalid:
        return
    assert encode_base64(octets) == text


@pytest.mark.parametrize(
    "text",
    [
        "=",
        "A",
        "AA",
        "AA=",
        "AAA",
        "AAAAA",
        "AA===",
        "AAAA=",
        "AAAA====",
        "AB==",  # nonzero trailing bits
        "AAB=",
        "QQ==QQ==",
        "QQ==\n",
        " QQ==",
        "Q Q==",
        "QUJD\r\nREVG",
        "-_-_",
        "QUJ\u00c4",
        "QUJ\ud800",
        "QUJD\x00",
        "QQ\uff1d\uff1d",
    ],
)
def test_a_text_that_is_not_canonical_is_refused_with_the_name_of_the_field(text):
    with pytest.raises(Invalid) as refusal:
        decode(text)
    assert refusal.value.code == "invalid_request"
    assert refusal.value.fields == {"data": ["Not valid base64."]}
    assert text not in refusal.value.detail


@pytest.mark.parametrize("size", range(1, 9))
def test_the_limit_is_exact_in_bytes(size):
    text = encode_base64(bytes(size))
    assert decode(text, max_bytes=size) == bytes(size)
    with pytest.raises(Invalid) as refusal:
        decode(text, max_bytes=size - 1)
    assert refusal.value.fields == {"data": [f"Must be at most {size - 1} bytes."]}


def test_the_empty_text_is_no_bytes_under_any_limit():
    assert decode("", max_bytes=0) == b""


def test_a_long_text_is_refused_for_its_length_before_it_is_looked_at():
    with pytest.raises(Invalid, match="Must be at most 16 bytes"):
        decode("!" * 10_000_000, max_bytes=16)


@pytest.mark.parametrize(("text", "max_bytes"), [("=" * 400, 20), ("A===", 0), ("AAAA", 2)])
def test_a_text_of_more_bytes_is_refused_before_it_is_decoded(text, max_bytes):
    with pytest.raises(Invalid) as refusal:
        decode(text, max_bytes)
    assert "at most" in str(refusal.value.fields["data"])


def test_base64url_has_no_padding_and_keeps_everything_else():
    assert encode_base64url(b"\x00\x00\x17") == "AAAX"
    assert encode_base64url(b"\xfb\xff") == "-_8"
    assert decode_base64url("-_8") == b"\xfb\xff"
