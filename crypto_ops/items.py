"""Items of a batch between wire and engine, for REST and the fast path. Unreadable items do not affect others."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from crypto_ops.batch_results import AnyBatchResult, ItemResult
from crypto_ops.batches import SealedItem, of_another_key
from crypto_ops.proof_batches import ProofItem
from crypto_ops.requests import (
    MAX_AAD_BYTES,
    MAX_DIGEST_BYTES,
    MAX_MAC_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_TAG_BYTES,
    PageItem,
)
from crypto_ops.signatures import message_of
from kernel.crypto import envelope
from kernel.crypto.aead import Message, Sealed
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.modes import SealingMode, SigningMode
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


def signature_item_of(
    message: str | None,
    digest: str | None,
    signature: str | None,
    version: int | None,
    *,
    mode: SigningMode,
) -> ProofItem | DomainError:
    """The item to sign, or with ``signature`` to verify, or its refusal."""
    try:
        octets, is_digest = message_of(
            mode,
            octets_of(message, "message", max_plaintext()),
            octets_of(digest, "digest", MAX_DIGEST_BYTES),
            None,
        )
        proof = octets_of(signature, "signature", MAX_SIGNATURE_BYTES) or b""
    except DomainError as error:
        return error
    return ProofItem(message=octets, is_digest=is_digest, proof=proof, key_version=version)


def mac_item_of(message: str, mac: str | None, version: int | None) -> ProofItem | DomainError:
    """The item to authenticate, or with ``mac`` to verify, or its refusal."""
    try:
        octets = decode_base64(message, field="message", max_bytes=max_plaintext())
        proof = octets_of(mac, "mac", MAX_MAC_BYTES) or b""
    except DomainError as error:
        return error
    return ProofItem(message=octets, proof=proof, key_version=version)


def octets_of(text: str | None, field: str, max_bytes: int) -> bytes | None:
    """None if the text is None. Raises Invalid."""
    return None if text is None else decode_base64(text, field=field, max_bytes=max_bytes)


def page_item_of(text: str, aad: str) -> PageItem | DomainError:
    """The item of a page of a re-encryption job, or its refusal."""
    try:
        return PageItem(envelope.decode(text, max_length=max_ciphertext()), aad_of(aad))
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
    batch: AnyBatchResult,
    references: Sequence[str | None],
    *,
    member: str,
    algorithm: str = "algorithm",
) -> dict[str, Any]:
    """The response for REST and the fast path: results in order, each with the reference of its item.

    ``member``: the name of a result. ``algorithm``: the name of the member for the mode.
    """
    version = {} if batch.key_version is None else {"key_version": batch.key_version}
    return {
        algorithm: batch.mode.name,
        "key_id": str(batch.key_id),
        **version,
        "results": results_of(batch.results, references, member),
    }


def results_of(
    results: Sequence[ItemResult], references: Sequence[str | None], member: str
) -> list[dict[str, Any]]:
    """The results in order, each as ``member`` or ``problem``, with the reference of its item."""
    return [
        _members_of(result, member)
        if reference is None
        else {**_members_of(result, member), "reference": reference}
        for result, reference in zip(results, references, strict=True)
    ]


def _members_of(result: ItemResult, member: str) -> dict[str, Any]:
    if isinstance(result, bytes):
        return {member: encode_base64(result)}
    if isinstance(result, DomainError):
        return {"problem": problems.members(result)}
    return {member: result}


def _of_envelope(text: str, aad: str, *, mode: SealingMode) -> SealedItem:
    found = envelope.decode(text, max_length=max_ciphertext())
    if found.mode is not mode:
        raise of_another_key()
    return SealedItem(found.sealed, found.version, aad_of(aad), found.key_id)
