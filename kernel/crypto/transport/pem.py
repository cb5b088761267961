"""Keys as text: PEM (RFC 7468). All errors are WrongKey, which names the cause."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from kernel.crypto.asymmetric.key_documents import CERTIFICATE, ENCRYPTED
from kernel.crypto.encoding import decode_canonical_base64
from kernel.crypto.errors import WrongKey

PRIVATE, PUBLIC, OLD_RSA, OLD_EC = "PRIVATE KEY", "PUBLIC KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"
# RFC 7468 §2: text around a block is ignored. No hyphen is in the base64, so a search takes linear time.
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----")
_BEGIN: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
MOST_CHARACTERS: Final = 4  # of a text, per byte of its key: base64, line breaks, and text around it
_PARAMETERS: Final = "EC PARAMETERS"  # OpenSSL writes it before a key of SEC 1
_CAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ENCRYPTED PRIVATE KEY": ENCRYPTED,
        "CERTIFICATE": CERTIFICATE,
        "CERTIFICATE REQUEST": CERTIFICATE,
        "NEW CERTIFICATE REQUEST": CERTIFICATE,
        "RSA PUBLIC KEY": "This is a public key in PKCS #1. Convert it with openssl rsa -RSAPublicKey_in -pubout.",
        "OPENSSH PRIVATE KEY": "This is a key of OpenSSH. Convert it with ssh-keygen -p -m PKCS8.",
    }
)


@dataclass(frozen=True, slots=True)
class Block:
    """``octets``: the DER between the lines, ``text``: the block with its lines."""

    label: str
    octets: bytes = field(repr=False)
    text: str = field(repr=False)


def read(text: str) -> Block:
    """The only key in a text: PKCS #8, a SubjectPublicKeyInfo, PKCS #1 of a private RSA key, or SEC 1."""
    labels = [label for label in _BEGIN.findall(text) if label != _PARAMETERS]
    if len(labels) > 1:
        raise WrongKey(
            "Expected one key in PEM, not several blocks. Remove the others, such as certificates."
        )
    if labels and labels[0] in _CAUSES:
        raise WrongKey(_CAUSES[labels[0]])
    if "Proc-Type: 4,ENCRYPTED" in text:  # RFC 1421 §4.6.1.1
        raise WrongKey(ENCRYPTED)
    blocks = [found for found in _BLOCK.finditer(text) if found[1] != _PARAMETERS]
    if len(blocks) != 1 or blocks[0][1] not in {PRIVATE, PUBLIC, OLD_RSA, OLD_EC}:
        raise WrongKey("Expected one key in PEM: from -----BEGIN to -----END, as PUBLIC KEY or PRIVATE KEY.")
    [block] = blocks
    return Block(block[1], _octets(block[2]), block[0])


def read_public(text: str, *, max_bytes: int) -> bytes:
    """The SubjectPublicKeyInfo of a text: PEM, or its base64 alone. At most ``max_bytes``."""
    too_long = WrongKey(f"Must be at most {max_bytes} bytes.")
    if len(text) > MOST_CHARACTERS * max_bytes:
        raise too_long
    if "-----" in text:
        block = read(text)
        if block.label != PUBLIC:
            raise WrongKey("This is a private key. Send the public key.")
        octets = block.octets
    else:
        octets = _octets(text)
    if len(octets) > max_bytes:
        raise too_long
    return octets


def _octets(base64: str) -> bytes:
    try:
        return decode_canonical_base64("".join(base64.split()))
    except ValueError:
        raise WrongKey("The key is not PEM or valid base64.") from None
