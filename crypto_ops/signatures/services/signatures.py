"""Sign and verify, for every interface."""

from functools import partial
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decide_use, perform
from crypto_ops.measurement import measured
from crypto_ops.requests import Unprinted
from crypto_ops.signatures.services import verification
from crypto_ops.signatures.services.verification import Verification
from kernel.clock import process_now
from kernel.crypto.modes import SigningMode
from kernel.crypto.signing import Encoding, Signer, digest_size
from kernel.errors import Invalid
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion


class SignRequest(Unprinted, frozen=True, kw_only=True):
    """``message``: its bytes, or with ``is_digest`` its digest."""

    mode: SigningMode
    key_id: KeyReference
    message: bytes
    is_digest: bool = False
    encoding: Encoding = "der"


class VerifyRequest(Unprinted, frozen=True, kw_only=True):
    """``key_version``: None to try the versions that may still process, newest first."""

    mode: SigningMode
    key_id: KeyReference
    message: bytes
    signature: bytes
    is_digest: bool = False
    encoding: Encoding = "der"
    key_version: int | None = None


class Signature(Unprinted, frozen=True, kw_only=True):
    signature: bytes
    mode: SigningMode
    key_id: UUID
    key_version: int


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


def sign(request: SignRequest, principal: Principal) -> Signature:
    """Sign with the key's primary version. Raises refusals of the key, the principal or the audit log."""
    with measured(request.mode):
        return perform(principal, lambda context: decide_signature(request, context))


def verify(request: VerifyRequest, principal: Principal) -> Verification:
    """Whether a signature is valid. Raises refusals of the key, the principal or the audit log."""
    with measured(request.mode):
        return perform(principal, lambda context: decide_verification(request, context))


def decide_signature(request: SignRequest, context: DecisionContext) -> Decision[Signature]:
    """The decision; the message is signed when it is finished. Raises refusals."""
    if request.mode.is_slow:
        context.admit_slow()
    use = (actions.MESSAGE_SIGNED, request.key_id, request.mode, None)
    permit = context.recall(use) or decide_use(
        use,
        "crypto.sign",
        primitives.signer,
        lambda entry: entry.require_protect(process_now()),
        context,
        protects=True,
    )
    return Decision(partial(_sign, request, permit), permit.grounds, len(request.message), context.request_id)


def _sign(request: SignRequest, permit: Permit[Signer]) -> Signature:
    signature = permit.primitive.sign(request.message, is_digest=request.is_digest, encoding=request.encoding)
    return Signature(
        signature=signature,
        mode=request.mode,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )


def decide_verification(request: VerifyRequest, context: DecisionContext) -> Decision[Verification]:
    """As ``verification.decide_verification``."""

    def is_valid(version: CachedVersion, mode: SigningMode) -> bool:
        verifier = context.primitive(version, primitives.verifier, mode)
        return verifier.is_valid(
            request.message, request.signature, is_digest=request.is_digest, encoding=request.encoding
        )

    return verification.decide_verification(
        context,
        action=actions.SIGNATURE_VERIFIED,
        key_id=request.key_id,
        key_version=request.key_version,
        mode=request.mode,
        is_valid=is_valid,
        size=len(request.message),
    )
