"""The items of a batch of signatures or MACs, and what they request."""

from msgspec import UNSET, UnsetType

from crypto_ops.deciding.wire import RequestBody, Version
from crypto_ops.items.wire import Reference, Text, max_plaintext, octets_of
from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_MAC_BYTES, MAX_SIGNATURE_BYTES
from crypto_ops.signatures.services.batches import ProofItem
from crypto_ops.signatures.services.signatures import message_of
from kernel.crypto.encoding import decode_base64
from kernel.crypto.modes import SigningMode
from kernel.errors import DomainError


class SignItem(RequestBody, frozen=True):
    """``message`` or ``digest`` in base64. An item that cannot be decoded does not affect the others."""

    message: Text | UnsetType = UNSET
    digest: Text | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 4 * ((self.message is not UNSET) + (self.digest is not UNSET) + (self.reference is not UNSET))


class VerifyItem(RequestBody, frozen=True, kw_only=True):
    """``key_version`` is required if the key has several versions."""

    message: Text | UnsetType = UNSET
    digest: Text | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET
    signature: Text
    key_version: Version | UnsetType = UNSET


class MacItem(RequestBody, frozen=True):
    """``message`` in base64. An item that cannot be decoded does not affect the others."""

    message: Text
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 4 + 4 * (self.reference is not UNSET)


class VerifyMacItem(RequestBody, frozen=True, kw_only=True):
    """``key_version`` is required if the key has several versions."""

    message: Text
    reference: Reference | UnsetType = UNSET
    mac: Text
    key_version: Version | UnsetType = UNSET


def signature_item_of(
    message: str | UnsetType,
    digest: str | UnsetType,
    signature: str | UnsetType,
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


def mac_item_of(message: str, mac: str | UnsetType, version: int | None) -> ProofItem | DomainError:
    """The item to authenticate, or with ``mac`` to verify, or its refusal."""
    try:
        octets = decode_base64(message, field="message", max_bytes=max_plaintext())
        proof = octets_of(mac, "mac", MAX_MAC_BYTES) or b""
    except DomainError as error:
        return error
    return ProofItem(message=octets, proof=proof, key_version=version)
