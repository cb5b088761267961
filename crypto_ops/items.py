"""Items of a batch between wire and engine, for REST and the fast path. Unreadable items do not affect others."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from crypto_ops.batches import BatchResult, SealedItem, of_another_key
from crypto_ops.requests import MAX_AAD_BYTES, MAX_TAG_BYTES
from kernel.crypto import envelope
from kernel.crypto.aead import Message, Sealed
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.modes import SealingMode
from kernel.errors import DomainError
from kernel.http import problems
from kernel.runtime import settings_cache

type Parts = tuple[str, str, str]
"""encrypted_data, iv and tag, in base64."""


@settings_cache
def max_plaintext() -> int:
    """In bytes."""
    return int(settings.CC_MAX_PLAINTEXT_BYTES)


@settings_cache
def max_ciphertext() -> int:
    """In characters."""
    return int(settings.CC_MAX_BODY_BYTES)


def messages_of(texts: Iterable[tuple[str, str]]) -> list[Message | DomainError]:
    """A message for each pair of data and additional data, both in base64, or its refusal."""
    max_bytes = max_plaintext()
    return [_message_of(data, aad, max_bytes) for data, aad in texts]


def _message_of(data: str, aad: str, max_bytes: int) -> Message | DomainError:
    try:
        return decode_base64(data, field="data", max_bytes=max_bytes), aad_of(aad)
    except DomainError as error:
        return error


def sealed_item_of(
    form: str | Parts, version: int | None, aad: str, *, mode: SealingMode
) -> SealedItem | DomainError:
    """The sealed item, given in one piece or in parts, or its refusal."""
    try:
        if isinstance(form, str):
            return _of_envelope(form, aad, mode=mode)
        return SealedItem(sealed_of(form), version, aad_of(aad))
    except DomainError as error:
        return error


def sealed_of(parts: Parts) -> Sealed:
    """Raises Invalid."""
    encrypted_data, iv, tag = parts
    return Sealed(
        decode_base64(iv, field="iv", max_bytes=MAX_TAG_BYTES),
        decode_base64(encrypted_data, field="encrypted_data", max_bytes=max_ciphertext()),
        decode_base64(tag, field="tag", max_bytes=MAX_TAG_BYTES),
    )


def aad_of(text: str) -> bytes:
    """The additional data; empty if the text is empty or missing. Raises Invalid."""
    return decode_base64(text, field="aad", max_bytes=MAX_AAD_BYTES) if text else b""


def answer_of(
    batch: BatchResult[str] | BatchResult[bytes], references: Sequence[str | None]
) -> dict[str, Any]:
    """The response for REST and the fast path: results in order, each with the reference of its item."""
    version = {} if batch.key_version is None else {"key_version": batch.key_version}
    return {
        "algorithm": batch.mode.name,
        "key_id": str(batch.key_id),
        **version,
        "results": [
            _members_of(result) if reference is None else {**_members_of(result), "reference": reference}
            for result, reference in zip(batch.results, references, strict=True)
        ],
    }


def _members_of(result: str | bytes | DomainError) -> dict[str, Any]:
    if isinstance(result, str):
        return {"ciphertext": result}
    if isinstance(result, bytes):
        return {"data": encode_base64(result)}
    return {"problem": problems.members(result)}


def _of_envelope(text: str, aad: str, *, mode: SealingMode) -> SealedItem:
    found = envelope.decode(text, max_length=max_ciphertext())
    if found.mode is not mode:
        raise of_another_key()
    return SealedItem(found.sealed, found.version, aad_of(aad), found.key_id)
