"""The items of a batch of signatures or MACs, read from their texts."""

from crypto_ops.items.wire import max_plaintext, octets_of
from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_MAC_BYTES, MAX_SIGNATURE_BYTES
from crypto_ops.signatures.services.batches import ProofItem
from crypto_ops.signatures.services.signatures import message_of
from kernel.crypto.encoding import decode_base64
from kernel.crypto.modes import SigningMode
from kernel.errors import DomainError


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
