"""Rotation of several keys that the caller has chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.rsa import process as rsa_process
from keys.lifecycle import Status
from keys.models import Key, KeyRotationJob, Selection
from keys.rotation.services.jobs import RotationRequest, request_rotation
from keys.rotation.services.rotating import RotationResult, rotate_keys

FEW: Final = 10
"""Up to this number, keys are rotated at once. More, and RSA keys, are a job, with progress and a page."""


@dataclass(frozen=True, slots=True)
class _BulkRotation:
    """``results`` of the keys that were rotated at once, or the ``job`` that rotates them; ``skipped`` were not active."""

    results: Sequence[RotationResult]
    job: KeyRotationJob | None
    skipped: int


def rotate_chosen(
    *, principal: Principal, keys: Sequence[Key], versions: Mapping[UUID, int], reason: str
) -> _BulkRotation:
    """Rotate the active ones of the keys, if their primary version still is the one in ``versions``.

    Raises Denied, Invalid.
    """
    now = database_now()
    chosen = [(key, versions[key.id]) for key in keys if key.lifecycle_state(now).status is Status.ACTIVE]
    skipped = len(keys) - len(chosen)
    if not rotates_by_job([key for key, _ in chosen]):
        results = list(rotate_keys(principal=principal, chosen=chosen, reason=reason))
        return _BulkRotation(results, None, skipped)
    ids = [(key.id, version) for key, version in chosen]
    request = RotationRequest(Selection.KEYS, chosen=ids)
    return _BulkRotation([], request_rotation(principal=principal, request=request, reason=reason), skipped)


def rotates_by_job(keys: Sequence[Key]) -> bool:
    """Whether a job rotates these keys: a request may take the time of one RSA key, but not of several."""
    return len(keys) > FEW or any(rsa_process.is_rsa(key.algorithm) for key in keys)
