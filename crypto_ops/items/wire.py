"""The texts of items, and the responses to batches, for REST and the fast path. Unreadable items do not affect others."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from django.conf import settings
from msgspec import UNSET, Meta, UnsetType
from rest_framework import serializers

from crypto_ops.deciding.wire import encode_json
from crypto_ops.items.services import AnyBatchResult, ItemResult
from crypto_ops.requests import MAX_AAD_BYTES, MAX_REFERENCE
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.errors import DomainError
from kernel.http import problems
from kernel.rest.derived import Rest
from kernel.rest.fields import Base64Field
from kernel.runtime import settings_cache


@settings_cache
def max_plaintext() -> int:
    """In bytes."""
    return int(settings.CC_MAX_PLAINTEXT_BYTES)


@settings_cache
def max_ciphertext() -> int:
    """In characters."""
    return int(settings.CC_MAX_BODY_BYTES)


class TextField(serializers.CharField):
    """A text, unchanged."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **options)


type Plaintext = Annotated[str, Rest(Base64Field, max_bytes=settings.CC_MAX_PLAINTEXT_BYTES)]
type Text = Annotated[str, Rest(TextField)]
"""Base64 of an item. Its errors are those of the item alone."""
type Reference = Annotated[str, Meta(max_length=MAX_REFERENCE), Rest(TextField, max_length=MAX_REFERENCE)]


def octets_of(text: str | UnsetType, field: str, max_bytes: int) -> bytes | None:
    """None if the text is missing. Raises Invalid."""
    return None if text is UNSET else decode_base64(text, field=field, max_bytes=max_bytes)


def aad_of(text: str | UnsetType) -> bytes:
    """The additional data; empty if the text is empty or missing. Raises Invalid."""
    return decode_base64(text, field="aad", max_bytes=MAX_AAD_BYTES) if text else b""


class _Item(Protocol):
    @property
    def reference(self) -> str | UnsetType: ...


class _BatchBody(Protocol):
    @property
    def items(self) -> Sequence[_Item]: ...


def encode_batch(
    result: AnyBatchResult, message: _BatchBody, *, member: str, algorithm: str = "algorithm"
) -> bytes:
    """The response: results in order, each with the reference of its item.

    ``member``: the name of a result. ``algorithm``: the name of the member for the mode.
    """
    references = [None if item.reference is UNSET else item.reference for item in message.items]
    version = {} if result.key_version is None else {"key_version": result.key_version}
    return encode_json(
        {
            algorithm: result.mode.name,
            "key_id": str(result.key_id),
            **version,
            "results": results_of(result.results, references, member),
        }
    )


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
