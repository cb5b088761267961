"""msgspec types for signatures on the fast path, as strict as those of ``wire``."""

from msgspec import UNSET, UnsetType

from crypto_ops import items
from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_SIGNATURE_BYTES
from crypto_ops.signatures import Signature, SignRequest, VerifyRequest, message_of
from crypto_ops.verification import Verification
from crypto_ops.wire import KeyText, RequestBody, Version, of_key
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


def _signed_part(message: Sign | Verify) -> tuple[SigningMode, bytes, bool]:
    mode = find_signing_mode(message.signing_algorithm)
    octets = _octets(message.message, "message", items.max_plaintext())
    digest = _octets(message.digest, "digest", MAX_DIGEST_BYTES)
    return mode, *message_of(mode, octets, digest, message.encoding or None)


def _octets(text: str | UnsetType, field: str, max_bytes: int) -> bytes | None:
    return None if text is UNSET else decode_base64(text, field=field, max_bytes=max_bytes)


def signed(result: Signature, _message: Sign) -> bytes:
    return of_key(result, "signing_algorithm", signature=encode_base64(result.signature))


def verified(result: Verification, _message: Verify) -> bytes:
    return of_key(result, "signing_algorithm", valid=result.is_valid)
