"""Base64, standard and for URLs (RFC 4648 §4 and §5), strict and canonical: every byte string has one spelling."""

from typing import Final

import pybase64

from kernel.crypto.errors import Invalid

_URL: Final = b"-_"


def encode_base64(octets: bytes) -> str:
    return pybase64.b64encode_as_string(octets)


def decode_base64(text: str, *, field: str, max_bytes: int) -> bytes:
    """The bytes of ``text``; raises Invalid, naming ``field``, for more than ``max_bytes`` or invalid base64.

    Padding is required; white space, other alphabets and non-zero trailing bits (RFC 4648 §3.5) are rejected.
    """
    # Before decoding, because the bound is on memory. The first comparison is cheap and usually enough.
    if len(text) > max_bytes and 3 * (len(text) // 4) - text[-2:].count("=") > max_bytes:
        raise Invalid.of_field(field, f"Must be at most {max_bytes} bytes.")
    try:
        return decode_canonical_base64(text)
    except ValueError:
        raise Invalid.of_field(field, "Not valid base64.") from None


def decode_canonical_base64(text: str) -> bytes:
    """Inverse of ``encode_base64``; raises ValueError for any other text. The caller bounds its length."""
    octets = pybase64.b64decode(text, None, True)
    # Decoders ignore the unused bits of the last character; this comparison rejects them.
    if encode_base64(octets) != text:
        raise ValueError("not canonical base64")
    return octets


def encode_base64url(octets: bytes) -> str:
    """Without padding."""
    return pybase64.b64encode_as_string(octets, _URL).rstrip("=")


def decode_base64url(text: str) -> bytes:
    """Decode text without padding; raises ValueError for any text that ``encode_base64url`` never produces."""
    if "+" in text or "/" in text:  # characters of the standard alphabet
        raise ValueError("not base64url")
    octets = pybase64.b64decode(text + "=" * (-len(text) % 4), _URL, True)
    if encode_base64url(octets) != text:
        raise ValueError("not canonical base64url")
    return octets
