"""Verification of signatures and MACs: with a named version, or with each that may process, newest first."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from audit.commit.decisions import Decision
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import decision_of, default_mode, key_event, named_version
from crypto_ops.encryption.services.messages import MAX_TRIALS
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


def decide_verification[M: Mode](
    context: DecisionContext,
    *,
    action: str,
    key_id: KeyReference,
    key_version: int | None,
    mode: M | None,
    is_valid: Callable[[CachedVersion, M], bool],
    size: int,
    modes: Mapping[str, M] | None = None,
) -> Decision[Verification]:
    """The decision with its result. Raises refusals; an invalid signature or MAC is a result.

    ``size``: of the message in bytes. ``modes``: those of the operation, if the request names none.
    """
    context.principal.require("crypto.verify")
    entry = context.find(key_id, "crypto.verify")
    mode = mode or default_mode(entry, modes or {})
    candidates = _candidates(entry, key_version, context)
    version = next((each for each in candidates if is_valid(each, mode)), None)
    if version is not None:
        context.note_grace(entry, version)
    elif key_version is None and len(candidates) == MAX_TRIALS < len(entry.versions):
        raise Invalid.of_field(
            "key_version", f"Name the version: none of the newest {MAX_TRIALS} versions verifies this."
        )
    result = Verification(
        is_valid=version is not None,
        mode=mode,
        key_id=entry.key_id,
        key_version=key_version if version is None else version.number,
    )
    facts: dict[str, Any] = {} if result.is_valid else {"valid": False}
    # The figures of usage need a version, so an invalid signature counts for the newest one that was tried.
    event = key_event(action, entry, version or next(iter(candidates), None), algorithm=mode.name, **facts)
    return decision_of(result, event, context, size=size)


def _candidates(entry: CachedKey, number: int | None, context: DecisionContext) -> list[CachedVersion]:
    """The named version, or all that may process, newest first. Raises refusals."""
    if number is not None:
        return [named_version(entry, number, context)]
    candidates = entry.processing_versions(process_now())[:MAX_TRIALS]
    if len(candidates) > 1:
        context.charge(len(candidates) - 1)
    return candidates
