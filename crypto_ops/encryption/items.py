"""The items of a batch of messages, read from their texts."""

from collections.abc import Iterable

from msgspec import UnsetType

from crypto_ops.encryption.services.batches import SealedItem, of_another_key
from crypto_ops.items.wire import aad_of, max_ciphertext, max_plaintext
from crypto_ops.requests import MAX_TAG_BYTES
from kernel.crypto.encoding import decode_base64
from kernel.crypto.modes import SealingMode
from kernel.crypto.sealing import envelope, foreign
from kernel.crypto.sealing.aead import Message, Sealed
from kernel.crypto.sealing.foreign import FERNET
from kernel.errors import DomainError

type Parts = tuple[str, str, str]
"""encrypted_data, iv and tag, in base64."""


def messages_of(texts: Iterable[tuple[str, str | UnsetType]]) -> list[Message | DomainError]:
    """A message for each pair of data and additional data, both in base64, or its refusal."""
    max_bytes = max_plaintext()
    return [_message_of(data, aad, max_bytes) for data, aad in texts]


def _message_of(data: str, aad: str | UnsetType, max_bytes: int) -> Message | DomainError:
    try:
        return decode_base64(data, field="data", max_bytes=max_bytes), aad_of(aad)
    except DomainError as error:
        return error


def sealed_item_of(
    form: str | Parts, version: int | None, aad: str | UnsetType, *, mode: SealingMode
) -> SealedItem | DomainError:
    """The sealed item, given in one piece or in parts, or its refusal."""
    try:
        if isinstance(form, str) and mode is FERNET:
            return SealedItem(foreign.sealed_of(form, max_length=max_ciphertext()), version, aad_of(aad))
        if isinstance(form, str):
            return _of_envelope(form, aad, mode=mode)
        return SealedItem(sealed_of(form), version, aad_of(aad))
    except DomainError as error:
        if isinstance(form, str):
            error.named_key = next(envelope.key_ids_in(form), None)
        return error


def sealed_of(parts: Parts) -> Sealed:
    """Raises Invalid."""
    encrypted_data, iv, tag = parts
    return Sealed(
        decode_base64(iv, field="iv", max_bytes=MAX_TAG_BYTES),
        decode_base64(encrypted_data, field="encrypted_data", max_bytes=max_ciphertext()),
        decode_base64(tag, field="tag", max_bytes=MAX_TAG_BYTES),
    )


def _of_envelope(text: str, aad: str | UnsetType, *, mode: SealingMode) -> SealedItem:
    found = envelope.decode(text, max_length=max_ciphertext())
    if found.mode is not mode:
        raise of_another_key()
    return SealedItem(found.sealed, found.version, aad_of(aad), found.key_id)
