"""msgspec types for MACs on the fast path, as strict as those of ``wire``."""

from msgspec import UNSET, UnsetType

from crypto_ops import items
from crypto_ops.macs import ComputedMac, MacRequest, VerifyMacRequest
from crypto_ops.requests import MAX_MAC_BYTES
from crypto_ops.verification import Verification
from crypto_ops.wire import KeyText, RequestBody, Version, of_key
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


def computed(result: ComputedMac, _message: ComputeMac) -> bytes:
    return of_key(result, "algorithm", mac=encode_base64(result.mac))


def verified(result: Verification, _message: VerifyMac) -> bytes:
    return of_key(result, "algorithm", valid=result.is_valid)
