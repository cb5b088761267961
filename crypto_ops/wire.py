"""The hot requests and answers as msgspec reads and writes them: what ``serializers`` is to the REST door.

Strict in the same way: unknown members, other JSON types, null, and numbers out of range are refused. msgspec
takes the last of two members of one name, where the REST door refuses both: ``is_unambiguous`` tells.
"""

from typing import Annotated
from uuid import UUID

import msgspec
from django.conf import settings
from msgspec import UNSET, Meta, Struct, UnsetType

from ciphercanary.crypto import envelope
from ciphercanary.crypto.aead import Sealed
from ciphercanary.crypto.algorithms import find_mode
from ciphercanary.crypto.encoding import decode_base64, encode_base64
from ciphercanary.crypto.envelope import Envelope
from crypto_ops.limits import MAX_AAD_BYTES, MAX_TAG_BYTES
from crypto_ops.requests import Decrypted, DecryptRequest, EncryptRequest
from keys.metadata import MAX_VERSION

type Version = Annotated[int, Meta(ge=1, le=MAX_VERSION)]

_QUOTE, _ESCAPE = b'"', b"\\"


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """Members of an object on the wire; what was not sent is UNSET."""


class Encrypt(Message, frozen=True):
    algorithm: str
    data: str
    key_id: UUID | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    aad: str | UnsetType = UNSET


class Decrypt(Message, frozen=True):
    ciphertext: str | UnsetType = UNSET
    encrypted_data: str | UnsetType = UNSET
    iv: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    key_id: UUID | UnsetType = UNSET
    algorithm: str | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    aad: str | UnsetType = UNSET


def is_unambiguous(body: bytes, message: Message) -> bool:
    """Whether the body names each member once, and spells every string as it is.

    Of a flat object without escapes the quotes tell: two for each member, two for each of its texts.
    """
    return _ESCAPE not in body and body.count(_QUOTE) == _quotes(message)


def _quotes(message: Message) -> int:
    values = [getattr(message, name) for name in message.__struct_fields__]
    return sum(2 if type(value) is int else 4 for value in values if value is not UNSET)


def encrypt_request(message: Encrypt) -> EncryptRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    return EncryptRequest(
        mode=find_mode(message.algorithm),
        plaintext=decode_base64(message.data, field="data", max_bytes=settings.CC_MAX_PLAINTEXT_BYTES),
        key_id=message.key_id or None,
        key_version=message.key_version or None,
        aad=_aad(message.aad),
    )


def decrypt_request(message: Decrypt) -> DecryptRequest:
    """Raises Invalid, UnsupportedAlgorithm, MalformedCiphertext."""
    parts = (message.encrypted_data, message.iv, message.tag, message.key_id, message.algorithm)
    aad = _aad(message.aad)
    if message.ciphertext is not UNSET:
        if message.key_version is not UNSET or any(part is not UNSET for part in parts):
            raise Ambiguous
        return DecryptRequest.of_envelope(
            envelope.decode(message.ciphertext, max_length=settings.CC_MAX_BODY_BYTES), aad
        )
    ciphertext, iv, tag, key_id, algorithm = parts
    if (
        ciphertext is UNSET or iv is UNSET or tag is UNSET or key_id is UNSET or algorithm is UNSET
    ):  # spelt out: this is how a type checker learns it
        raise Ambiguous
    return DecryptRequest(
        mode=find_mode(algorithm),
        key_id=key_id,
        key_version=message.key_version or None,
        sealed=Sealed(
            decode_base64(iv, field="iv", max_bytes=MAX_TAG_BYTES),
            decode_base64(ciphertext, field="encrypted_data", max_bytes=settings.CC_MAX_BODY_BYTES),
            decode_base64(tag, field="tag", max_bytes=MAX_TAG_BYTES),
        ),
        aad=aad,
    )


class Ambiguous(Exception):
    """Neither of the two forms of a ciphertext, or both."""


def encrypted(result: Envelope) -> bytes:
    return _ENCODER.encode(
        {
            "encrypted_data": encode_base64(result.sealed.ciphertext),
            "iv": encode_base64(result.sealed.iv),
            "tag": encode_base64(result.sealed.tag),
            "algorithm": result.mode.name,
            "key_id": result.key_id,
            "key_version": result.version,
            "ciphertext": envelope.encode(result),
        }
    )


def decrypted(result: Decrypted) -> bytes:
    return _ENCODER.encode(
        {
            "data": encode_base64(result.plaintext),
            "algorithm": result.mode.name,
            "key_id": result.key_id,
            "key_version": result.key_version,
        }
    )


def _aad(text: str | UnsetType) -> bytes:
    return b"" if text is UNSET else decode_base64(text, field="aad", max_bytes=MAX_AAD_BYTES)


_ENCODER = msgspec.json.Encoder()
