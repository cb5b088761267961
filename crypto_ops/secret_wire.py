"""msgspec types for shared secrets on the fast path, as strict as those of ``wire``."""

from msgspec import UNSET, UnsetType

from crypto_ops.requests import MAX_KEM_CIPHERTEXT_BYTES, MAX_PUBLIC_KEY_BYTES
from crypto_ops.shared_secrets import AgreeRequest, DecapsulateRequest, EncapsulateRequest, SharedSecret
from crypto_ops.wire import KeyText, RequestBody, Version, of_key
from kernel.crypto.encoding import decode_base64, encode_base64
from keys import references


class Encapsulate(RequestBody, frozen=True):
    key_id: KeyText


class Decapsulate(RequestBody, frozen=True):
    key_id: KeyText
    key_version: Version
    ciphertext: str


class Agree(RequestBody, frozen=True):
    key_id: KeyText
    public_key: str
    key_version: Version | UnsetType = UNSET


def encapsulate_request(message: Encapsulate) -> EncapsulateRequest:
    """Raises Invalid."""
    return EncapsulateRequest(key_id=references.parse(message.key_id))


def decapsulate_request(message: Decapsulate) -> DecapsulateRequest:
    """Raises Invalid."""
    return DecapsulateRequest(
        key_id=references.parse(message.key_id),
        key_version=message.key_version,
        ciphertext=decode_base64(message.ciphertext, field="ciphertext", max_bytes=MAX_KEM_CIPHERTEXT_BYTES),
    )


def agree_request(message: Agree) -> AgreeRequest:
    """Raises Invalid."""
    return AgreeRequest(
        key_id=references.parse(message.key_id),
        public_key=decode_base64(message.public_key, field="public_key", max_bytes=MAX_PUBLIC_KEY_BYTES),
        key_version=message.key_version or None,
    )


def encapsulated(result: SharedSecret, _message: Encapsulate) -> bytes:
    return of_key(
        result,
        "algorithm",
        shared_secret=encode_base64(result.secret),
        ciphertext=encode_base64(result.ciphertext),
    )


def shared(result: SharedSecret, _message: Decapsulate | Agree) -> bytes:
    return of_key(result, "algorithm", shared_secret=encode_base64(result.secret))
