"""The parts of a key document, read before the library loads it.

While the library loads a Diffie-Hellman or DSA key, it tests whether large numbers are prime: that takes minutes, in
which no other thread runs. So it gets documents of the expected algorithm only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kernel.crypto.errors import WrongKey

INTEGER, _BITS, OCTETS, SEQUENCE = 0x02, 0x03, 0x04, 0x30  # ITU-T X.690 §8
_IDENTIFIER: Final = 0x06
_LONG_FORM: Final = 0x80

ENCRYPTED: Final = "The key is encrypted. Decrypt it first, for example with openssl pkey."
CERTIFICATE: Final = (
    "This is a certificate or a request for one. Send its public key: openssl x509 or req -pubkey -noout."
)


@dataclass(frozen=True, slots=True)
class Document:
    """A PKCS #8 document (RFC 5958) or a SubjectPublicKeyInfo (RFC 5280 §4.1).

    ``identifier``: of the algorithm, in hexadecimal digits. ``curve``: likewise, if the parameters are an object
    identifier, else "". ``content``: the private key, or the bit string of the public key.
    """

    is_private: bool
    identifier: str
    curve: str
    content: bytes = field(repr=False)


def read(document: bytes) -> Document:
    """The parts of a document in DER. Raises WrongKey, which names the cause."""
    try:
        [(tag, content)] = elements(document)
        parts = list(elements(content)) if tag == SEQUENCE else []
        tags = [tag for tag, _ in parts]
        if tags[:3] == [INTEGER, SEQUENCE, OCTETS]:
            return _document(parts[1][1], parts[2][1], is_private=True)
        if tags == [SEQUENCE, _BITS]:
            return _document(parts[0][1], parts[1][1], is_private=False)
    except ValueError:
        tags = []
    raise WrongKey(_cause(tags))


def elements(octets: bytes) -> Iterator[tuple[int, bytes]]:
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


def _document(algorithm: bytes, content: bytes, *, is_private: bool) -> Document:
    identifiers = [octets.hex() if tag == _IDENTIFIER else "" for tag, octets in elements(algorithm)]
    identifier, curve, *_ = [*identifiers, "", ""]
    return Document(is_private=is_private, identifier=identifier, curve=curve, content=content)


def _cause(tags: list[int]) -> str:
    if tags == [SEQUENCE, OCTETS]:  # EncryptedPrivateKeyInfo (RFC 5958 §3)
        return ENCRYPTED
    if tags == [SEQUENCE, SEQUENCE, _BITS]:  # RFC 5280 §4.1, RFC 2986 §4.2
        return CERTIFICATE
    if tags[:2] in ([INTEGER, INTEGER], [INTEGER, OCTETS]):
        return "This is a key in PKCS #1 or SEC 1. Convert it to PKCS #8 or SubjectPublicKeyInfo with openssl pkey."
    return "Expected PKCS #8 or a SubjectPublicKeyInfo in DER."
