"""msgspec types for data keys, derived keys and shared secrets on the fast path, and the answer with a data key."""

from typing import Any

from msgspec import UNSET, UnsetType

from crypto_ops.deciding.wire import KeyText, RequestBody, Version, encode_json, of_key
from crypto_ops.items.wire import aad_of
from crypto_ops.requests import MAX_KEM_CIPHERTEXT_BYTES, MAX_PUBLIC_KEY_BYTES
from crypto_ops.secrets.services.data_keys import DataKey, DataKeyRequest, contents_of
from crypto_ops.secrets.services.derivations import (
    MAX_CONTEXT_BYTES,
    DerivationRequest,
    DerivedKey,
    require_context,
    size_of,
)
from crypto_ops.secrets.services.shared_secrets import (
    AgreeRequest,
    DecapsulateRequest,
    EncapsulateRequest,
    SharedSecret,
)
from kernel.crypto import envelope
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.modes import find_sealing_mode
from keys import references


class GenerateDataKey(RequestBody, frozen=True):
    key_id: KeyText
    bits: int | UnsetType = UNSET
    key_pair: str | UnsetType = UNSET
    algorithm: str | UnsetType = UNSET
    aad: str | UnsetType = UNSET
    plaintext: bool | UnsetType = UNSET


def data_key_request(message: GenerateDataKey) -> DataKeyRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    return DataKeyRequest(
        key_id=references.parse(message.key_id),
        contents=contents_of(
            None if message.bits is UNSET else message.bits,
            None if message.key_pair is UNSET else message.key_pair,
        ),
        mode=None if message.algorithm is UNSET else find_sealing_mode(message.algorithm),
        aad=aad_of(message.aad or ""),
        is_disclosed=message.plaintext is not False,
    )


def generated(result: DataKey, _message: GenerateDataKey) -> bytes:
    return encode_json(data_key_answer(result))


def data_key_answer(result: DataKey) -> dict[str, Any]:
    """The response for REST and the fast path. It has no member without a value."""
    contents = result.contents
    answer: dict[str, Any] = {
        "ciphertext": envelope.encode(result.envelope),
        "algorithm": result.mode.name,
        "key_id": str(result.key_id),
        "key_version": result.key_version,
    }
    answer |= {"bits": contents.bits} if contents.key_pair is None else {"key_pair": contents.key_pair}
    if result.public_key is not None:
        answer["public_key"] = encode_base64(result.public_key)
    if result.plaintext is not None:
        answer["plaintext"] = encode_base64(result.plaintext)
    return answer


class Derive(RequestBody, frozen=True):
    key_id: KeyText
    context: str
    bits: int
    key_version: Version | UnsetType = UNSET


def derivation_request(message: Derive) -> DerivationRequest:
    """Raises Invalid."""
    context = decode_base64(message.context, field="context", max_bytes=MAX_CONTEXT_BYTES)
    return DerivationRequest(
        key_id=references.parse(message.key_id),
        context=require_context(context),
        size=size_of(message.bits),
        key_version=message.key_version or None,
    )


def derived(result: DerivedKey, _message: Derive) -> bytes:
    return of_key(result, "algorithm", derived=encode_base64(result.derived))


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
