"""The format of access tokens, with one spelling of each token. The signature is checked elsewhere."""

import json
import re
from typing import Any, Final

from rest_framework_simplejwt.exceptions import TokenBackendError

from kernel.crypto.encoding import decode_base64url

ALGORITHM: Final = "RS256"
TYPE: Final = "at+jwt"
_MAX_SIZE: Final = 4096  # characters
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_HEADER_MEMBERS: Final = {"alg", "kid", "typ"}  # jku, x5u, jwk, crit and all others are refused, not ignored


def read_header(text: str) -> dict[str, str]:
    """The header of a token in the only format we issue. Raises TokenBackendError for any other."""
    header_bytes, *_ = (_decode(part) for part in _split(text))
    header = _read_json(header_bytes)
    if set(header) != _HEADER_MEMBERS:
        raise TokenBackendError("header members")
    if header["alg"] != ALGORITHM or header["typ"] != TYPE or not isinstance(header["kid"], str):
        raise TokenBackendError("header values")
    return header


def read_claims(text: str) -> dict[str, Any]:
    """The unverified claims. Raises TokenBackendError."""
    return _read_json(_decode(_split(text)[1]))


def _split(text: str) -> tuple[str, ...]:
    match = _SHAPE.fullmatch(text) if len(text) <= _MAX_SIZE else None
    if match is None:
        raise TokenBackendError("shape")
    return match.groups()


def _read_json(octets: bytes) -> dict[str, Any]:
    try:
        members = json.loads(octets)
    except (ValueError, RecursionError):
        raise TokenBackendError("JSON") from None
    if not isinstance(members, dict):
        raise TokenBackendError("JSON")
    return members


def _decode(part: str) -> bytes:
    # Lenient decoders ignore the unused bits of the last character: four spellings of one token would pass.
    try:
        return decode_base64url(part)
    except ValueError:
        raise TokenBackendError("base64url") from None
