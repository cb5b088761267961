"""msgspec types for MACs on the fast path, as strict as those of ``wire``."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from crypto_ops import items, proof_batches
from crypto_ops.macs import ComputedMac, MacRequest, VerifyMacRequest
from crypto_ops.requests import MAX_ITEMS, MAX_MAC_BYTES
from crypto_ops.verification import Verification
from crypto_ops.wire import KeyText, Reference, RequestBody, Version, of_key
from kernel.crypto.encoding import decode_base64, encode_base64
from keys import references


class ComputeMac(RequestBody, frozen=True):
    key_id: KeyText
    message: str


class VerifyMac(RequestBody, frozen=True):
    key_id: KeyText
    message: str
    mac: str
    key_version: Version | UnsetType = UNSET


class MacItem(RequestBody, frozen=True):
    message: str
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 4 + 4 * (self.reference is not UNSET)


class VerifyMacItem(RequestBody, frozen=True):
    message: str
    mac: str
    key_version: Version | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET


class MacBatch(RequestBody, frozen=True):
    key_id: KeyText
    items: Annotated[list[MacItem], Meta(min_length=1, max_length=MAX_ITEMS)]


class VerifyMacBatch(RequestBody, frozen=True):
    key_id: KeyText
    items: Annotated[list[VerifyMacItem], Meta(min_length=1, max_length=MAX_ITEMS)]


def mac_request(message: ComputeMac) -> MacRequest:
    """Raises Invalid."""
    return MacRequest(
        key_id=references.parse(message.key_id),
        message=decode_base64(message.message, field="message", max_bytes=items.max_plaintext()),
    )


def verify_mac_request(message: VerifyMac) -> VerifyMacRequest:
    """Raises Invalid."""
    return VerifyMacRequest(
        key_id=references.parse(message.key_id),
        message=decode_base64(message.message, field="message", max_bytes=items.max_plaintext()),
        mac=decode_base64(message.mac, field="mac", max_bytes=MAX_MAC_BYTES),
        key_version=message.key_version or None,
    )


def mac_batch(message: MacBatch) -> proof_batches.MacBatch:
    """Raises Invalid."""
    return proof_batches.MacBatch(
        key_id=references.parse(message.key_id),
        items=[items.mac_item_of(item.message, None, None) for item in message.items],
    )


def verify_mac_batch(message: VerifyMacBatch) -> proof_batches.MacBatch:
    """Raises Invalid."""
    return proof_batches.MacBatch(
        key_id=references.parse(message.key_id),
        items=[items.mac_item_of(item.message, item.mac, item.key_version or None) for item in message.items],
    )


def computed(result: ComputedMac, _message: ComputeMac) -> bytes:
    return of_key(result, "algorithm", mac=encode_base64(result.mac))


def verified(result: Verification, _message: VerifyMac) -> bytes:
    return of_key(result, "algorithm", valid=result.is_valid)
