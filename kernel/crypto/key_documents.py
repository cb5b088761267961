"""The algorithm of a key document, read before the library loads it.

While the library loads a Diffie-Hellman or DSA key, it tests whether large numbers are prime: that takes minutes, in
which no other thread runs. So it gets documents of the expected algorithm only.
"""

from collections.abc import Iterator
from typing import Final

_INTEGER, _IDENTIFIER, _SEQUENCE = 0x02, 0x06, 0x30  # ITU-T X.690 §8
_LONG_FORM: Final = 0x80


def identifier_of(document: bytes) -> bytes:
    """The content of the object identifier in a PKCS #8 document or a SubjectPublicKeyInfo in DER. Raises ValueError."""
    [(tag, content)] = list(_elements(document))
    parts = _elements(_content(tag, content, _SEQUENCE))
    tag, content = next(parts, (0, b""))
    if tag == _INTEGER:  # the version of PKCS #8
        tag, content = next(parts, (0, b""))
    tag, content = next(_elements(_content(tag, content, _SEQUENCE)), (0, b""))
    return _content(tag, content, _IDENTIFIER)


def _content(tag: int, content: bytes, expected: int) -> bytes:
    if tag != expected:
        raise ValueError("not the document of a key")
    return content


def _elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of one element after the other. Raises ValueError."""
    at = 0
    while at < len(octets):
        tag, length, at = octets[at], octets[at + 1 : at + 2], at + 2
        if length and length[0] >= _LONG_FORM:
            at, length = at + (length[0] - _LONG_FORM), octets[at : at + (length[0] - _LONG_FORM)]
        end = at + int.from_bytes(length)
        if not length or end > len(octets):
            raise ValueError("an element ends beyond the document")
        yield tag, octets[at:end]
        at = end
