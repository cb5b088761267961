"""msgspec types for signatures on the fast path, as strict as those of ``wire``."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from crypto_ops import items
from crypto_ops.proof_batches import SignatureBatch
from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_ITEMS, MAX_SIGNATURE_BYTES
from crypto_ops.signatures import Signature, SignRequest, VerifyRequest, message_of, require_encoding
from crypto_ops.verification import Verification
from crypto_ops.wire import KeyText, Reference, RequestBody, Version, of_key
from kernel.crypto.encoding import decode_base64, encode_base64
from kernel.crypto.modes import SigningMode, find_signing_mode
from kernel.crypto.signing import Encoding
from keys import references


class Sign(RequestBody, frozen=True):
    key_id: KeyText
    signing_algorithm: str
    message: str | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    encoding: Encoding | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 8 + 4 * (
            (self.message is not UNSET) + (self.digest is not UNSET) + (self.encoding is not UNSET)
        )


class Verify(RequestBody, frozen=True):
    key_id: KeyText
    signing_algorithm: str
    signature: str
    message: str | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    encoding: Encoding | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET


class SignItem(RequestBody, frozen=True):
    message: str | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET

    @property
    def quotes(self) -> int:
        return 4 * ((self.message is not UNSET) + (self.digest is not UNSET) + (self.reference is not UNSET))


class VerifyItem(RequestBody, frozen=True):
    signature: str
    message: str | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    key_version: Version | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET


class SignBatch(RequestBody, frozen=True):
    key_id: KeyText
    signing_algorithm: str
    items: Annotated[list[SignItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    encoding: Encoding | UnsetType = UNSET


class VerifyBatch(RequestBody, frozen=True):
    key_id: KeyText
    signing_algorithm: str
    items: Annotated[list[VerifyItem], Meta(min_length=1, max_length=MAX_ITEMS)]
    encoding: Encoding | UnsetType = UNSET


def sign_request(message: Sign) -> SignRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, octets, is_digest = _signed_part(message)
    return SignRequest(
        mode=mode,
        key_id=references.parse(message.key_id),
        message=octets,
        is_digest=is_digest,
        encoding=message.encoding or "der",
    )


def verify_request(message: Verify) -> VerifyRequest:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, octets, is_digest = _signed_part(message)
    return VerifyRequest(
        mode=mode,
        key_id=references.parse(message.key_id),
        message=octets,
        signature=decode_base64(message.signature, field="signature", max_bytes=MAX_SIGNATURE_BYTES),
        is_digest=is_digest,
        encoding=message.encoding or "der",
        key_version=message.key_version or None,
    )


def sign_batch(message: SignBatch) -> SignatureBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, encoding = _form_of(message)
    return SignatureBatch(
        mode=mode,
        key_id=references.parse(message.key_id),
        items=[
            items.signature_item_of(_text(item.message), _text(item.digest), None, None, mode=mode)
            for item in message.items
        ],
        encoding=encoding,
    )


def verify_batch(message: VerifyBatch) -> SignatureBatch:
    """Raises Invalid, UnsupportedAlgorithm."""
    mode, encoding = _form_of(message)
    return SignatureBatch(
        mode=mode,
        key_id=references.parse(message.key_id),
        items=[
            items.signature_item_of(
                _text(item.message), _text(item.digest), item.signature, item.key_version or None, mode=mode
            )
            for item in message.items
        ],
        encoding=encoding,
    )


def _form_of(message: SignBatch | VerifyBatch) -> tuple[SigningMode, Encoding]:
    mode = find_signing_mode(message.signing_algorithm)
    require_encoding(mode, message.encoding or None)
    return mode, message.encoding or "der"


def _text(text: str | UnsetType) -> str | None:
    return None if text is UNSET else text


def _signed_part(message: Sign | Verify) -> tuple[SigningMode, bytes, bool]:
    mode = find_signing_mode(message.signing_algorithm)
    octets = items.octets_of(_text(message.message), "message", items.max_plaintext())
    digest = items.octets_of(_text(message.digest), "digest", MAX_DIGEST_BYTES)
    return mode, *message_of(mode, octets, digest, message.encoding or None)


def signed(result: Signature, _message: Sign) -> bytes:
    return of_key(result, "signing_algorithm", signature=encode_base64(result.signature))


def verified(result: Verification, _message: Verify) -> bytes:
    return of_key(result, "signing_algorithm", valid=result.is_valid)
