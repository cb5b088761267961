"""Batches of signatures and MACs with one key: one decision and one audit event. Each item succeeds or fails alone."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from audit.commit.decisions import Decision
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext, Permit
from crypto_ops.deciding.services import decision_of, default_mode, protecting_permit
from crypto_ops.items.services import BatchRequest, BatchResult, BatchVersions, batch_event, refusals_of
from crypto_ops.requests import Unprinted
from crypto_ops.signatures.services.macs import is_mac_of
from kernel.clock import process_now
from kernel.crypto.asymmetric.signing import Encoding, Signer
from kernel.crypto.mac import Mac
from kernel.crypto.modes import MAC_MODES, MacMode, Mode, SigningMode
from kernel.errors import DomainError
from keys import lifecycle
from keys.references import KeyReference
from keys.ring import primitives
from keys.ring.cached_keys import CachedVersion

# A signature or its verification takes up to 0.3 ms, so the event loop makes no more of them in one go.
MAX_AT_ONCE: Final = 16


class ProofItem(Unprinted, frozen=True, kw_only=True):
    """A message or its digest. ``proof``: its signature or MAC, if that is to be verified."""

    message: bytes
    is_digest: bool = False
    proof: bytes = b""
    key_version: int | None = None


type _Items = Sequence[ProofItem | DomainError]
"""It contains a refusal for each item that could not be read."""


class _ProofBatch(BatchRequest[bytes], frozen=True, kw_only=True):
    key_id: KeyReference
    items: _Items

    @abstractmethod
    def prove(self, item: ProofItem, primitive: Any) -> bytes:
        """The signature or MAC."""

    def decide_with(self, permit: Permit[Any], context: DecisionContext) -> Decision[BatchResult[bytes]]:
        """The signatures or MACs are made when the decision is finished."""
        refusals = refusals_of(self.items)
        event = batch_event(
            permit.grounds.event.action,
            permit.entry,
            permit.version,
            permit.mode,
            len(self.items) - len(refusals),
            refusals,
        )
        return _Proving(
            replace(permit.grounds, event=event),
            _size_of(self.items),
            context.request_id,
            request=self,
            permit=permit,
            refusals=refusals,
        )


class _Proving(Decision[BatchResult[bytes]], frozen=True, kw_only=True):
    request: _ProofBatch
    permit: Permit[Any]
    refusals: Sequence[DomainError]

    def finish(self) -> BatchResult[bytes]:
        request, permit = self.request, self.permit
        return BatchResult(
            mode=permit.mode,
            key_id=permit.entry.key_id,
            key_version=permit.version.number,
            results=[
                item if isinstance(item, DomainError) else request.prove(item, permit.primitive)
                for item in request.items
            ],
            refusals=self.refusals,
        )


class SignBatch(_ProofBatch, frozen=True, kw_only=True):
    """Messages to sign."""

    mode: SigningMode
    encoding: Encoding = "der"

    def decide(self, context: DecisionContext) -> Decision[BatchResult[bytes]]:
        if self.mode.is_slow or len(self.items) > MAX_AT_ONCE:
            context.admit_slow()
        use = (actions.MESSAGE_SIGNED, self.key_id, self.mode, None)
        permit = context.recall(use) or protecting_permit(use, "crypto.sign", primitives.signer, context)
        return self.decide_with(permit, context)

    def prove(self, item: ProofItem, primitive: Signer) -> bytes:
        return primitive.sign(item.message, is_digest=item.is_digest, encoding=self.encoding)


class MacBatch(_ProofBatch, frozen=True, kw_only=True):
    """Messages to authenticate. A MAC key has one mode."""

    unknown_mode: ClassVar = "hmac"

    def decide(self, context: DecisionContext) -> Decision[BatchResult[bytes]]:
        use = (actions.MAC_COMPUTED, self.key_id, None, None)
        permit = context.recall(use) or protecting_permit(
            use, "crypto.mac", primitives.mac, context, MAC_MODES
        )
        return self.decide_with(permit, context)

    def prove(self, item: ProofItem, primitive: Mac) -> bytes:
        return primitive.compute(item.message)


class _VerificationBatch[M: Mode](BatchRequest[bool], frozen=True, kw_only=True):
    key_id: KeyReference
    items: _Items
    mode: M | None = None

    action: ClassVar[str]
    modes: ClassVar[Mapping[str, Any]] = {}

    @abstractmethod
    def is_valid(self, version: CachedVersion, mode: M, item: ProofItem, context: DecisionContext) -> bool:
        """Whether this version verifies the item."""

    def decide(self, context: DecisionContext) -> Decision[BatchResult[bool]]:
        """The items are verified already. The results must not be released before the commit."""
        context.principal.require("crypto.verify")
        entry = context.find(self.key_id, "crypto.verify")
        mode: M = self.mode or default_mode(entry, self.modes)
        lifecycle.require_process(entry.lifecycle_state(process_now()))
        versions = BatchVersions(entry, context)
        results = [self._verify(item, mode, versions, context) for item in self.items]
        refusals = refusals_of(results)
        invalid = results.count(False)
        event = batch_event(
            self.action,
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
        return decision_of(batch, event, context, size=_size_of(self.items))

    def _verify(
        self, item: ProofItem | DomainError, mode: M, versions: BatchVersions, context: DecisionContext
    ) -> bool | DomainError:
        if isinstance(item, DomainError):
            return item
        try:
            version = versions.find(item.key_version)
        except DomainError as refusal:
            return refusal
        return self.is_valid(version, mode, item, context)


class VerifyBatch(_VerificationBatch[SigningMode], frozen=True, kw_only=True):
    """Messages with their signatures."""

    mode: SigningMode
    encoding: Encoding = "der"

    action: ClassVar = actions.SIGNATURE_VERIFIED

    def decide(self, context: DecisionContext) -> Decision[BatchResult[bool]]:
        if len(self.items) > MAX_AT_ONCE:
            context.admit_slow()
        return super().decide(context)

    def is_valid(
        self, version: CachedVersion, mode: SigningMode, item: ProofItem, context: DecisionContext
    ) -> bool:
        verifier = context.primitive(version, primitives.verifier, mode)
        return verifier.is_valid(item.message, item.proof, is_digest=item.is_digest, encoding=self.encoding)


class VerifyMacBatch(_VerificationBatch[MacMode], frozen=True, kw_only=True):
    """Messages with their MACs."""

    unknown_mode: ClassVar = "hmac"
    action: ClassVar = actions.MAC_VERIFIED
    modes: ClassVar = MAC_MODES

    def is_valid(
        self, version: CachedVersion, mode: MacMode, item: ProofItem, context: DecisionContext
    ) -> bool:
        return is_mac_of(context.primitive(version, primitives.mac, mode), item.message, item.proof)


def _size_of(items: _Items) -> int:
    return sum(len(item.message) for item in items if not isinstance(item, DomainError))
