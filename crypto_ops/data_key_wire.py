"""msgspec types for data keys on the fast path, as strict as those of ``wire``, and the answer of both interfaces."""

from typing import Any

from msgspec import UNSET, UnsetType

from crypto_ops import items
from crypto_ops.data_keys import DataKey, DataKeyRequest, contents_of
from crypto_ops.wire import ENCODER, KeyText, RequestBody
from kernel.crypto import envelope
from kernel.crypto.encoding import encode_base64
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
        aad=items.aad_of(message.aad or ""),
        is_disclosed=message.plaintext is not False,
    )


def generated(result: DataKey, _message: GenerateDataKey) -> bytes:
    return ENCODER.encode(answer_of(result))


def answer_of(result: DataKey) -> dict[str, Any]:
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
