"""Sign and verify, for every interface."""

from typing import ClassVar
from uuid import UUID

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import KeyRequest, protecting_permit
from crypto_ops.requests import Unprinted
from crypto_ops.signatures.services.verification import VerificationRequest
from kernel.crypto.asymmetric.signing import Encoding, Signer, digest_size
from kernel.crypto.modes import SigningMode
from kernel.errors import Invalid
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion


class Signature(Unprinted, frozen=True, kw_only=True):
    signature: bytes
    mode: SigningMode
    key_id: UUID
    key_version: int


class SignRequest(KeyRequest[Signature], frozen=True, kw_only=True):
    """``message``: its bytes, or with ``is_digest`` its digest."""

    mode: SigningMode
    key_id: KeyReference
    message: bytes
    is_digest: bool = False
    encoding: Encoding = "der"

    def decide(self, context: DecisionContext) -> Decision[Signature]:
        """The message is signed when the decision is finished."""
        if self.mode.is_slow:
            context.admit_slow()
        use = (actions.MESSAGE_SIGNED, self.key_id, self.mode, None)
        permit = context.recall(use) or protecting_permit(use, "crypto.sign", primitives.signer, context)
        return _Signing(permit.grounds, len(self.message), context.request_id, request=self, permit=permit)


class _Signing(Decision[Signature], frozen=True, kw_only=True):
    request: SignRequest
    permit: Permit[Signer]

    def finish(self) -> Signature:
        request, permit = self.request, self.permit
        signature = permit.primitive.sign(
            request.message, is_digest=request.is_digest, encoding=request.encoding
        )
        return Signature(
            signature=signature,
            mode=request.mode,
            key_id=permit.entry.key_id,
            key_version=permit.version.number,
        )


class VerifyRequest(VerificationRequest[SigningMode], frozen=True, kw_only=True):
    mode: SigningMode
    signature: bytes
    is_digest: bool = False
    encoding: Encoding = "der"

    action: ClassVar = actions.SIGNATURE_VERIFIED

    def is_valid(self, version: CachedVersion, mode: SigningMode, context: DecisionContext) -> bool:
        return context.primitive(version, primitives.verifier, mode).is_valid(
            self.message, self.signature, is_digest=self.is_digest, encoding=self.encoding
        )


def require_encoding(mode: SigningMode, encoding: Encoding | None) -> None:
    """Raises Invalid for an encoding that the mode does not have."""
    if encoding is not None and not mode.has_raw_form:
        raise Invalid.of_field("encoding", "Only ECDSA signatures have encodings. Omit this field.")


def message_of(
    mode: SigningMode, message: bytes | None, digest: bytes | None, encoding: Encoding | None
) -> tuple[bytes, bool]:
    """The message or digest of a request, and whether it is a digest. Raises Invalid for a wrong combination."""
    require_encoding(mode, encoding)
    if digest is None:
        if message is None:
            raise Invalid.of_field("message", "Send this field, or send digest instead.")
        return message, False
    if message is not None:
        raise Invalid.of_field("digest", "Omit this field, or omit message.")
    size = digest_size(mode)
    if size is None:
        raise Invalid.of_field("digest", f"{mode.name} takes no digest. Send message instead.")
    if len(digest) != size:
        raise Invalid.of_field("digest", f"Must be {size} bytes for {mode.name}.")
    return digest, True
