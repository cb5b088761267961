"""Changes of several keys that the caller has chosen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.errors import Conflict, DomainError, Invalid, VersionConflict
from kernel.labels import label_fault
from kernel.rsa import process as rsa_process
from keys import metadata
from keys.editing.services import update_key
from keys.lifecycle import Status
from keys.models import Key, KeyRotationJob, Selection
from keys.reading.services import MAX_CHOSEN
from keys.rotation.services.jobs import RotationRequest, request_rotation
from keys.rotation.services.rotating import RotationResult, rotate_keys

MAX_TAGGED: Final = 100
"""Tagging is no job: each key takes milliseconds."""

UNPROVEN: Final = "Nothing proves that the tags of this key are unaltered. Set its tags on its page first."

FEW: Final = 10
"""Up to this number, keys are rotated at once. More, and RSA keys, are a job, with progress and a page."""


@dataclass(frozen=True, slots=True)
class BulkRotation:
    """``results`` of the keys that were rotated at once, or the ``job`` that rotates them; ``skipped`` were not active."""

    results: Sequence[RotationResult]
    job: KeyRotationJob | None
    skipped: int


@dataclass(frozen=True, slots=True)
class TagResult:
    """``is_changed`` is False for a key that has the tag already, or has none to remove."""

    key: Key
    is_changed: bool
    error: DomainError | None = None


def list_chosen(*, principal: Principal, key_ids: Iterable[UUID]) -> Sequence[Key]:
    """The visible keys among ``key_ids``, by name. Raises Denied, Invalid for more than ``MAX_CHOSEN``."""
    wanted = set(key_ids)
    if len(wanted) > MAX_CHOSEN:
        raise Invalid.of_field("key", f"Choose at most {MAX_CHOSEN} keys.")
    return list(Key.objects.visible_to(principal).filter(pk__in=wanted).order_by("name"))


def rotate_chosen(
    *, principal: Principal, keys: Sequence[Key], versions: Mapping[UUID, int], reason: str
) -> BulkRotation:
    """Rotate the active ones of the keys, if their primary version still is the one in ``versions``.

    Raises Denied, Invalid.
    """
    now = database_now()
    chosen = [(key, versions[key.id]) for key in keys if key.lifecycle_state(now).status is Status.ACTIVE]
    skipped = len(keys) - len(chosen)
    if not rotates_by_job([key for key, _ in chosen]):
        results = list(rotate_keys(principal=principal, chosen=chosen, reason=reason))
        return BulkRotation(results, None, skipped)
    ids = [(key.id, version) for key, version in chosen]
    request = RotationRequest(Selection.KEYS, chosen=ids)
    return BulkRotation([], request_rotation(principal=principal, request=request, reason=reason), skipped)


def rotates_by_job(keys: Sequence[Key]) -> bool:
    """Whether a job rotates these keys: a request may take the time of one RSA key, but not of several."""
    return len(keys) > FEW or any(rsa_process.is_rsa(key.algorithm) for key in keys)


def with_tag(key: Key, tag: str, *, adds: bool) -> list[str]:
    """The tags of the key after the change."""
    return [*(each for each in key.tags if each != tag), *([tag] if adds else [])]


def change_tag(*, principal: Principal, keys: Sequence[Key], tag: str, adds: bool) -> Iterator[TagResult]:
    """Add the tag to each key, or remove it. A failure does not stop the others.

    A key whose tags were changed meanwhile fails with VersionConflict. One whose tags no MAC proves fails too, because
    the MAC would cover forged tags. Raises Denied, Invalid.
    """
    principal.require("keys.update")
    if fault := label_fault(tag, metadata.MAX_TAG):
        raise Invalid.of_field("tag", fault)
    if len(keys) > MAX_TAGGED:
        raise Invalid.of_field("tag", f"Choose at most {MAX_TAGGED} keys.")
    for key in keys:
        if (tag in key.tags) is adds:
            yield TagResult(key, is_changed=False)
            continue
        seen = list(key.tags)
        if key.granting_tags != seen:
            yield TagResult(key, is_changed=False, error=Conflict(UNPROVEN))
            continue
        try:
            update_key(
                principal=principal,
                key_id=key.id,
                changes={"tags": with_tag(key, tag, adds=adds)},
                check=partial(_require_tags, seen),
            )
        except DomainError as error:
            yield TagResult(key, is_changed=False, error=error)
        else:
            yield TagResult(key, is_changed=True)


def _require_tags(seen: Sequence[str], stored: Key) -> None:
    if not stored.granting_tags == seen == stored.tags:
        raise VersionConflict("Its tags have changed since you opened this page.")
