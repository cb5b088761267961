"""Verification of signatures and MACs: with a named version, or with each that may process, newest first."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from audit.commit.decisions import Decision
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import KeyRequest, decision_of, default_mode, key_event, named_version
from crypto_ops.encryption.services.messages import MAX_TRIALS, charge_trials
from crypto_ops.requests import Unprinted
from kernel.clock import process_now
from kernel.crypto.modes import Mode
from kernel.errors import Invalid
from keys.references import KeyReference
from keys.ring.cached_keys import CachedKey, CachedVersion


class Verification(Unprinted, frozen=True, kw_only=True):
    """``key_version``: the version that verified it, or the named one; None if no version that was tried did."""

    is_valid: bool
    mode: Mode
    key_id: UUID
    key_version: int | None


class VerificationRequest[M: Mode](KeyRequest[Verification], frozen=True, kw_only=True):
    """``key_version``: None to try the versions that may still process, newest first.

    ``modes``: those of the operation, if the request names none.
    """

    key_id: KeyReference
    message: bytes
    key_version: int | None = None
    mode: M | None = None

    action: ClassVar[str]
    modes: ClassVar[Mapping[str, Any]] = {}

    @abstractmethod
    def is_valid(self, version: CachedVersion, mode: M, context: DecisionContext) -> bool:
        """Whether this version verifies the message."""

    def decide(self, context: DecisionContext) -> Decision[Verification]:
        """It is verified already. An invalid signature or MAC is a result."""
        context.principal.require("crypto.verify")
        entry, number = context.find(self.key_id, "crypto.verify"), self.key_version
        mode: M = self.mode or default_mode(entry, self.modes)
        candidates = _candidates(entry, number, context)
        version = next((each for each in candidates if self.is_valid(each, mode, context)), None)
        if version is not None:
            context.note_grace(entry, version)
        elif number is None and len(candidates) == MAX_TRIALS < len(entry.versions):
            raise Invalid.of_field(
                "key_version", f"Name the version: none of the newest {MAX_TRIALS} versions verifies this."
            )
        result = Verification(
            is_valid=version is not None,
            mode=mode,
            key_id=entry.key_id,
            key_version=number if version is None else version.number,
        )
        facts: dict[str, Any] = {} if result.is_valid else {"valid": False}
        # The figures of usage need a version, so an invalid signature counts for the newest one that was tried.
        tried = version or next(iter(candidates), None)
        event = key_event(self.action, entry, tried, algorithm=mode.name, **facts)
        return decision_of(result, event, context, size=len(self.message))


def _candidates(entry: CachedKey, number: int | None, context: DecisionContext) -> list[CachedVersion]:
    """The named version, or all that may process, newest first. Raises refusals."""
    if number is not None:
        return [named_version(entry, number, context)]
    candidates = entry.processing_versions(process_now())[:MAX_TRIALS]
    charge_trials(candidates, context)
    return candidates
