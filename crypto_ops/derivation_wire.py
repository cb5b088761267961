"""msgspec types for derivation on the fast path, as strict as those of ``wire``."""

from msgspec import UNSET, UnsetType

from crypto_ops.derivations import (
    MAX_CONTEXT_BYTES,
    DerivationRequest,
    DerivedKey,
    require_context,
    size_of,
)
from crypto_ops.wire import KeyText, RequestBody, Version, of_key
from kernel.crypto.encoding import decode_base64, encode_base64
from keys import references


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
