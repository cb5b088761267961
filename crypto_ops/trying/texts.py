"""Conversion of bytes from and to text, base64 and hexadecimal. Errors name the position and never quote the input."""

import re
from collections.abc import Mapping
from typing import Final

from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.errors import WrongKey
from kernel.crypto.transport import pem
from kernel.errors import Invalid

FORMATS: Final[Mapping[str, str]] = {"text": "Text", "base64": "Base64", "hex": "Hexadecimal"}

_WHITE_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/= \t\r\n]")
_BEHIND_PADDING: Final = re.compile(r"=[ \t\r\n]*([^= \t\r\n])")
_NOT_HEX: Final = re.compile(r"[^0-9A-Fa-f \t\r\n]")
_NOT_IN_CIPHERTEXT: Final = re.compile(r"[^A-Za-z0-9_.-]")


def octets_of(text: str, form: str, *, field: str, max_bytes: int) -> bytes:
    """The bytes that a text encodes. Raises Invalid with the error and the position of its character.

    White space in base64 and hexadecimal is ignored because both are often wrapped. Line ends of a text become LF
    because browsers send CRLF or LF for the same key.
    """
    readers = {"text": _of_text, "base64": _of_base64, "hex": _of_hex}
    octets = readers[form](text, field)
    if len(octets) > max_bytes:
        raise Invalid.of_field(field, f"Too long: {len(octets):,} bytes. The limit is {max_bytes:,} bytes.")
    return octets


def shown_as(octets: bytes, form: str) -> str | None:
    """The bytes in one of ``FORMATS``; None if they are not a text that a browser would return unchanged."""
    if form == "base64":
        return encode_base64(octets)
    if form == "hex":
        return octets.hex()
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or "\r" in text else text


def require_ciphertext(text: str, *, field: str, max_characters: int) -> str:
    """The text without surrounding white space, if it may be a ciphertext. Raises Invalid."""
    text = text.strip()
    if len(text) > max_characters:
        raise Invalid.of_field(
            field, f"Too long: {len(text):,} characters. The limit is {max_characters:,} characters."
        )
    if not text.startswith("cc1."):
        raise Invalid.of_field(field, "Not a CipherCanary ciphertext. It must start with cc1.")
    if found := _NOT_IN_CIPHERTEXT.search(text):
        raise Invalid.of_field(field, f"Not a ciphertext. Character {found.start() + 1} is not allowed.")
    return text


def public_key_of(text: str, *, field: str, max_bytes: int) -> bytes:
    """The SubjectPublicKeyInfo of a PEM (RFC 7468 §13), or of its base64 alone. Raises Invalid."""
    try:
        return pem.read_public(text, max_bytes=max_bytes)
    except WrongKey as error:
        raise Invalid.of_field(field, str(error)) from None


def _of_text(text: str, _field: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\r", "\n").encode()


def _of_base64(text: str, field: str) -> bytes:
    if found := _NOT_BASE64.search(text):
        raise Invalid.of_field(field, f"Not base64. Character {found.start() + 1} is not allowed.")
    if found := _BEHIND_PADDING.search(text):
        raise Invalid.of_field(field, f"Not base64. Character {found.start(1) + 1} comes after the padding.")
    compact = _WHITE_SPACE.sub("", text)
    if len(compact) % 4:
        raise Invalid.of_field(
            field,
            f"Not base64. The length is {len(compact):,}, which is not a multiple of 4. Add the padding (=).",
        )
    try:
        return decode_base64(compact, field=field, max_bytes=len(compact))
    except Invalid:
        # The alphabet and the length are valid, so the error is in the last group's padding or unused bits.
        raise Invalid.of_field(field, "Not base64. The last four characters are not valid.") from None


def _of_hex(text: str, field: str) -> bytes:
    if found := _NOT_HEX.search(text):
        raise Invalid.of_field(field, f"Not hexadecimal. Character {found.start() + 1} is not allowed.")
    compact = _WHITE_SPACE.sub("", text)
    if len(compact) % 2:
        raise Invalid.of_field(
            field, f"Not hexadecimal. The number of digits, {len(compact):,}, must be even."
        )
    return bytes.fromhex(compact)
