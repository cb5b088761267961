"""Base64 as OpenBao reads it: line breaks and unused bits are accepted. Errors name the first bad byte."""

import string
from typing import Final

import pybase64

from kernel.errors import Invalid

_ALPHABET: Final = (string.ascii_letters + string.digits + "+/").encode()
_LINE_BREAKS: Final = b"\r\n"
_WITHOUT_LINE_BREAKS: Final = dict.fromkeys(_LINE_BREAKS)
_QUANTUM: Final = 4  # characters that encode three bytes
_LEAST: Final = 2  # characters of an incomplete quantum


def decode(text: str, *, error: str = "") -> bytes:
    """``error``: the beginning of the text of the refusal. Raises Invalid."""
    if not text:
        return b""  # most requests leave out the context and the additional data
    data = text.translate(_WITHOUT_LINE_BREAKS) if "\n" in text or "\r" in text else text
    try:
        return pybase64.b64decode(data, None, True)
    except ValueError:
        raise Invalid(f"{error}illegal base64 data at input byte {_fault(text.encode())}") from None


def _fault(data: bytes) -> int:
    """The offset of the byte that OpenBao names: where a decoder that reads one quantum after the other stops."""
    at = len(data) - len(data.lstrip(_ALPHABET + _LINE_BREAKS))
    filled = (at - sum(data.count(character, 0, at) for character in _LINE_BREAKS)) % _QUANTUM
    if at == len(data):
        return at - filled
    if data[at] != ord("=") or filled < _LEAST:
        return at
    return _fault_of_padding(data, at + 1, filled)


def _fault_of_padding(data: bytes, at: int, filled: int) -> int:
    """As ``_fault``, after the first padding character of a quantum with ``filled`` characters."""
    if filled == _LEAST:
        at = _skip_line_breaks(data, at)
        if at == len(data):
            return at
        if data[at] != ord("="):
            return at - 1
        at += 1
    return _skip_line_breaks(data, at)


def _skip_line_breaks(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in _LINE_BREAKS:
        at += 1
    return at
