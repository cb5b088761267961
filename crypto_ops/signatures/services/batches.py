"""Batches of signatures and MACs with one key: one decision and one audit event. Each item succeeds or fails alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from accounts.principals import Principal
from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decision_of, default_mode, grounds_of, perform
from crypto_ops.items.services import BatchResult, BatchVersions, batch_event, refusals_of
from crypto_ops.measurement import measured
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.errors import MacMismatch
from kernel.crypto.modes import MAC_MODES, MacMode, Mode, SigningMode
from kernel.crypto.signing import Encoding
from kernel.errors import DomainError
from keys import lifecycle
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion
from keys.ring.primitives import KeyParts

# A signature or its verification takes up to 0.3 ms, so the event loop makes no more of them in one go.
MAX_AT_ONCE: Final = 16

# Of a request that is refused before its key, and thus its mode, is known.
_UNKNOWN: Final = Mode("hmac")


class ProofItem(Unprinted, frozen=True, kw_only=True):
    """A message or its digest. ``proof``: its signature or MAC, if that is to be verified."""

    message: bytes
    is_digest: bool = False
    proof: bytes = b""
    key_version: int | None = None


class SignatureBatch(Unprinted, frozen=True, kw_only=True):
    """Messages to sign, or to verify. ``items`` contains a refusal for each one that could not be read."""

    mode: SigningMode
    key_id: KeyReference
    items: Sequence[ProofItem | DomainError]
    encoding: Encoding = "der"


class MacBatch(Unprinted, frozen=True, kw_only=True):
    """As ``SignatureBatch``. A MAC key has one mode."""

    key_id: KeyReference
    items: Sequence[ProofItem | DomainError]


type Batch = SignatureBatch | MacBatch


def sign_batch(request: SignatureBatch, principal: Principal) -> BatchResult[bytes]:
    """Sign all messages with the key's primary version. Raises refusals that concern the whole batch."""
    return _perform(request, request.mode, principal, decide_signatures)


def verify_batch(request: SignatureBatch, principal: Principal) -> BatchResult[bool]:
    """Whether each signature is valid. Raises refusals that concern the whole batch."""
    return _perform(request, request.mode, principal, decide_signature_verifications)


def compute_mac_batch(request: MacBatch, principal: Principal) -> BatchResult[bytes]:
    """The MACs by the key's primary version. Raises refusals that concern the whole batch."""
    return _perform(request, _UNKNOWN, principal, decide_macs)


def verify_mac_batch(request: MacBatch, principal: Principal) -> BatchResult[bool]:
    """Whether each MAC is valid. Raises refusals that concern the whole batch."""
    return _perform(request, _UNKNOWN, principal, decide_mac_verifications)


def _perform[B: (SignatureBatch, MacBatch), R: (bytes, bool)](
    request: B,
    mode: Mode,
    principal: Principal,
    decide: Callable[[B, DecisionContext], Decision[BatchResult[R]]],
) -> BatchResult[R]:
    with measured(mode, len(request.items)) as measurement:
        batch = perform(principal, lambda context: decide(request, context))
        measurement.mode, measurement.refused = batch.mode, batch.refused
    return batch


def decide_signatures(request: SignatureBatch, context: DecisionContext) -> Decision[BatchResult[bytes]]:
    """The decision; the messages are signed when it is finished. Raises refusals that concern the whole batch."""
    if request.mode.is_slow or len(request.items) > MAX_AT_ONCE:
        context.admit_slow()
    return _decide_proofs(
        request,
        context,
        actions.MESSAGE_SIGNED,
        "crypto.sign",
        primitives.signer,
        lambda signer, item: signer.sign(item.message, is_digest=item.is_digest, encoding=request.encoding),
        mode=request.mode,
    )


def decide_macs(request: MacBatch, context: DecisionContext) -> Decision[BatchResult[bytes]]:
    """The decision; the MACs are computed when it is finished. Raises refusals that concern the whole batch."""
    return _decide_proofs(
        request,
        context,
        actions.MAC_COMPUTED,
        "crypto.mac",
        primitives.mac,
        lambda mac, item: mac.compute(item.message),
        modes=MAC_MODES,
    )


def decide_signature_verifications(
    request: SignatureBatch, context: DecisionContext
) -> Decision[BatchResult[bool]]:
    """The results, which must not be released before the commit. Raises refusals that concern the whole batch."""
    if len(request.items) > MAX_AT_ONCE:
        context.admit_slow()

    def is_valid(version: CachedVersion, mode: SigningMode, item: ProofItem) -> bool:
        verifier = context.primitive(version, primitives.verifier, mode)
        return verifier.is_valid(
            item.message, item.proof, is_digest=item.is_digest, encoding=request.encoding
        )

    return _decide_verifications(request, context, actions.SIGNATURE_VERIFIED, is_valid, mode=request.mode)


def decide_mac_verifications(request: MacBatch, context: DecisionContext) -> Decision[BatchResult[bool]]:
    """As ``decide_signature_verifications``."""

    def is_valid(version: CachedVersion, mode: MacMode, item: ProofItem) -> bool:
        try:
            context.primitive(version, primitives.mac, mode).verify(item.message, item.proof)
        except MacMismatch:
            return False
        return True

    return _decide_verifications(request, context, actions.MAC_VERIFIED, is_valid, modes=MAC_MODES)


def _decide_proofs[M: Mode, P](
    request: Batch,
    context: DecisionContext,
    action: str,
    permission: str,
    build: Callable[[KeyParts, M], P],
    compute: Callable[[P, ProofItem], bytes],
    *,
    mode: M | None = None,
    modes: Mapping[str, M] | None = None,
) -> Decision[BatchResult[bytes]]:
    context.principal.require(permission)
    entry = context.find(request.key_id, permission)
    mode = mode or default_mode(entry, modes or {})
    version = entry.require_protect(process_now())
    entry.require_allowed(mode)
    primitive = context.primitive(version, build, mode)
    refusals = refusals_of(request.items)

    def finish() -> BatchResult[bytes]:
        return BatchResult(
            mode=mode,
            key_id=entry.key_id,
            key_version=version.number,
            results=[
                item if isinstance(item, DomainError) else compute(primitive, item) for item in request.items
            ],
            refusals=refusals,
        )

    event = batch_event(action, entry, version, mode, len(request.items) - len(refusals), refusals)
    grounds = grounds_of(event, context, protects=entry)
    return Decision(finish, grounds, _size_of(request.items), context.request_id)


def _decide_verifications[M: Mode](
    request: Batch,
    context: DecisionContext,
    action: str,
    is_valid: Callable[[CachedVersion, M, ProofItem], bool],
    *,
    mode: M | None = None,
    modes: Mapping[str, M] | None = None,
) -> Decision[BatchResult[bool]]:
    context.principal.require("crypto.verify")
    entry = context.find(request.key_id, "crypto.verify")
    mode = mode or default_mode(entry, modes or {})
    lifecycle.require_process(entry.lifecycle_state(process_now()))
    versions = BatchVersions(entry, context)

    def verify(item: ProofItem | DomainError) -> bool | DomainError:
        if isinstance(item, DomainError):
            return item
        try:
            version = versions.find(item.key_version)
        except DomainError as refusal:
            return refusal
        return is_valid(version, mode, item)

    results = [verify(item) for item in request.items]
    refusals = refusals_of(results)
    invalid = results.count(False)
    event = batch_event(
        action,
        entry,
        versions.only,
        mode,
        len(results) - len(refusals),
        refusals,
        **({"invalid": invalid} if invalid else {}),
    )
    batch = BatchResult[bool](
        mode=mode, key_id=entry.key_id, key_version=None, results=results, refusals=refusals
    )
    return decision_of(batch, event, context, size=_size_of(request.items))


def _size_of(items: Sequence[ProofItem | DomainError]) -> int:
    return sum(len(item.message) for item in items if not isinstance(item, DomainError))
