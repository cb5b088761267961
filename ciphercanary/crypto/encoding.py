"""Base64, standard and for URLs (RFC 4648 §4 and §5), strict and canonical: every byte string has one spelling."""

import binascii
from typing import Final

from ciphercanary.errors import Invalid

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


def encode_base64(octets: bytes) -> str:
    return binascii.b2a_base64(octets, newline=False).decode("ascii")


def decode_base64(text: str, *, field: str, max_bytes: int) -> bytes:
    """The bytes of ``text``; raises Invalid, naming ``field``, for more than ``max_bytes`` or a wrong form.

    Padding is required; white space, other alphabets and non-zero trailing bits (RFC 4648 §3.5) are refused.
    """
    if 3 * (len(text) // 4) - text[-2:].count("=") > max_bytes:  # before decoding: the bound is on memory
        raise Invalid.of_field(field, f"At most {max_bytes} bytes.")
    try:
        octets = binascii.a2b_base64(text)
    except ValueError:
        raise Invalid.of_field(field, "Not valid base64.") from None
    # binascii skips what it does not know and ignores trailing bits; the comparison is what makes it strict.
    if encode_base64(octets) != text:
        raise Invalid.of_field(field, "Not valid base64.")
    return octets


def encode_base64url(octets: bytes) -> str:
    """Without padding."""
    return binascii.b2a_base64(octets, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The bytes of a text without padding; raises ValueError for any text that ``encode_base64url`` never makes."""
    padding = b"=" * (-len(text) % 4)
    octets = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + padding)
    if encode_base64url(octets) != text:
        raise ValueError("not canonical base64url")
    return octets
