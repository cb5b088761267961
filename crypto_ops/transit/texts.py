"""The texts ``vault:vN:BASE64`` of ciphertexts, signatures and MACs."""

import re
from typing import Final

from kernel.crypto.encoding import encode_base64
from kernel.errors import Invalid

PREFIX: Final = "vault:v"
_MAX_DIGITS: Final = 9
_NUMBER: Final = re.compile(r"[1-9][0-9]*", re.ASCII)
TOO_OLD: Final = "ciphertext or signature version is disallowed by policy (too old)"


def text_of(version: int, octets: bytes) -> str:
    return f"{PREFIX}{version}:{encode_base64(octets)}"


def parts_of(text: str, what: str) -> tuple[int, str]:
    """The version and the encoded octets. ``what``: the kind of text, for errors. Raises Invalid, in OpenBao's words.

    Each version has one accepted spelling: OpenBao also opens ``vault:v03:``, so equal messages would have several texts.
    """
    if not text.startswith(PREFIX):
        raise Invalid(f"{what}: no prefix")
    number, separator, encoded = text[len(PREFIX) :].partition(":")
    if not separator:
        raise Invalid(f"{what}: wrong number of fields")
    if number == "0":
        raise Invalid(TOO_OLD)
    if not _NUMBER.fullmatch(number) or len(number) > _MAX_DIGITS:
        raise Invalid(f"{what}: version number could not be decoded")
    return int(number), encoded
