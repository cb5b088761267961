"""Sign and verify, for every interface. As in ``crypto_ops.engine``, each operation is decided, committed and answered."""

from functools import partial
from typing import Any
from uuid import UUID

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding import decide_use, decision_of, key_event, perform
from crypto_ops.decision_context import DecisionContext, Permit
from crypto_ops.engine import MAX_TRIALS
from crypto_ops.measurement import measured
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.algorithms import SigningMode
from kernel.crypto.signing import Encoding, Signer, digest_size
from kernel.errors import Invalid
from keys import primitives
from keys.cached_keys import CachedKey, CachedVersion
from keys.references import KeyReference


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


class Verification(Unprinted, frozen=True, kw_only=True):
    """``key_version``: the version that signed, or that was named; None if the signature is of no version."""

    is_valid: bool
    mode: SigningMode
    key_id: UUID
    key_version: int | None


def message_of(
    mode: SigningMode, message: bytes | None, digest: bytes | None, encoding: Encoding | None
) -> tuple[bytes, bool]:
    """The message or digest of a request, and whether it is a digest. Raises Invalid for a wrong combination."""
    if encoding is not None and not mode.has_raw_form:
        raise Invalid.of_field("encoding", "Only ECDSA signatures have encodings. Omit this field.")
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
    use = (actions.MESSAGE_SIGNED, request.key_id, request.mode, None)
    permit = context.recall(use) or decide_use(
        use,
        "crypto.sign",
        primitives.signer,
        lambda entry: _signing_version(entry, request.mode),
        context,
        protects=True,
    )
    return Decision(partial(_sign, request, permit), permit.grounds, len(request.message), context.request_id)


def _signing_version(entry: CachedKey, mode: SigningMode) -> CachedVersion:
    version = entry.require_protect(process_now())
    entry.require_allowed(mode)
    return version


def _sign(request: SignRequest, permit: Permit[Signer]) -> Signature:
    signature = permit.primitive.sign(request.message, is_digest=request.is_digest, encoding=request.encoding)
    return Signature(
        signature=signature,
        mode=request.mode,
        key_id=permit.entry.key_id,
        key_version=permit.version.number,
    )


def decide_verification(request: VerifyRequest, context: DecisionContext) -> Decision[Verification]:
    """The decision with its result. Raises refusals; an invalid signature is a result."""
    context.principal.require("crypto.verify")
    entry = context.find(request.key_id, "crypto.verify")
    candidates = _candidates(request, entry, context)
    version = next((each for each in candidates if _is_valid(request, each, context)), None)
    if version is not None:
        context.note_grace(entry, version)
    named = version or (candidates[0] if request.key_version is not None else None)
    result = Verification(
        is_valid=version is not None,
        mode=request.mode,
        key_id=entry.key_id,
        key_version=None if named is None else named.number,
    )
    facts: dict[str, Any] = {} if result.is_valid else {"valid": False}
    event = key_event(actions.SIGNATURE_VERIFIED, entry, named, algorithm=request.mode.name, **facts)
    return decision_of(result, event, context, size=len(request.message))


def _candidates(request: VerifyRequest, entry: CachedKey, context: DecisionContext) -> list[CachedVersion]:
    """The named version, or all that may process, newest first. Raises refusals."""
    now, number = process_now(), request.key_version
    if number is None:
        candidates = entry.processing_versions(now)[:MAX_TRIALS]
        if len(candidates) > 1:
            context.charge(len(candidates) - 1)
        return candidates
    if number not in entry.versions:
        raise Invalid.of_field("key_version", "The key has no version with this number.")
    return [context.require_process(entry, number, now)]


def _is_valid(request: VerifyRequest, version: CachedVersion, context: DecisionContext) -> bool:
    verifier = context.primitive(version, primitives.verifier, request.mode)
    return verifier.is_valid(
        request.message, request.signature, is_digest=request.is_digest, encoding=request.encoding
    )
