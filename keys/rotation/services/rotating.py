"""Rotation: new material for a key under the same ID."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from msgspec.structs import replace

from accounts.principals import Principal
from audit.log.events import Outcome, RowChange
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Conflict, DomainError, VersionConflict
from kernel.labels import check_reason
from keys import actions, new_material, trail
from keys.capabilities import require_new_material
from keys.changing import as_refusal, finish_change, key_event, lock_key, new_version
from keys.errors import KeyNotActive
from keys.lifecycle import next_rotation
from keys.models import Key, KeyQuerySet, KeyRotation, KeyRotationQuerySet, RotationStatus
from keys.new_material import NewMaterial

DUE_REASON: Final = "rotation is due"
RETRY_AFTER: Final = timedelta(hours=1)
"""When the schedule tries again to rotate a key whose rotation failed."""


def rotate_key(
    *,
    principal: Principal,
    key_id: UUID,
    reason: str,
    expected_version: int | None = None,
    material: NewMaterial | None = None,
) -> KeyRotation:
    """Add a version and make it primary. Earlier versions still decrypt.

    ``expected_version`` is the primary version that the caller saw: of several rotations with the same value,
    exactly one succeeds. ``material`` is generated unless given. Raises NotFound, KeyNotActive, VersionConflict,
    Overloaded, Throttled.
    """
    principal.require("keys.rotate")
    check_reason(reason)
    material = material or material_for_rotation(principal, key_id)
    with transaction.atomic():
        key = lock_key(principal, key_id)
        return _rotate(principal, key, new_rotation(principal, key, reason), material, expected_version)


def material_for_rotation(principal: Principal, key_id: UUID) -> NewMaterial:
    """Material for a new version, generated before the key is locked.

    Raises NotFound, IntegrityFailed, KeyNotActive, Overloaded, Throttled.
    """
    key = first_of(Key.objects.within_reach_of(principal).filter(pk=key_id))
    require_new_material(key.check_mac(), database_now())  # before the work: a refusal must cost little
    return new_material.generate(key.kind, principal.identity)


@dataclass(frozen=True, slots=True)
class RotationResult:
    """The result for one of several keys. ``rotation`` is its new row; otherwise ``error`` gives the reason."""

    key: Key
    rotation: KeyRotation | None = None
    error: DomainError | None = None


def rotate_keys(
    *, principal: Principal, chosen: Iterable[tuple[Key, int]], reason: str
) -> Iterator[RotationResult]:
    """Rotate the keys whose primary version still is the given one, one transaction each.

    A failure does not stop the others. It is recorded, unless the key was rotated meanwhile. Raises Denied, Invalid.
    """
    principal.require("keys.rotate")
    check_reason(reason)
    for key, version in chosen:
        try:
            rotation = rotate_key(principal=principal, key_id=key.id, reason=reason, expected_version=version)
        except VersionConflict as conflict:
            yield RotationResult(key, error=conflict)
        except (DomainError, DatabaseError) as error:
            fault = as_refusal(error)
            with transaction.atomic():
                _fail(principal, new_rotation(principal, key, reason), key, fault)
            yield RotationResult(key, error=fault)
        else:
            yield RotationResult(key, rotation)


def rotate_due_keys(*, principal: Principal, limit: int | None = None) -> Iterator[RotationResult]:
    """Rotate the first ``limit`` keys that are due. Skips keys that were rotated meanwhile."""
    due = due_keys(principal, database_now()).order_by("next_rotation_at", "pk")[:limit]
    chosen = [(key, key.primary_version) for key in due]
    for result in rotate_keys(principal=principal, chosen=chosen, reason=DUE_REASON):
        if not isinstance(result.error, VersionConflict):
            yield result


def list_rotations(
    *, principal: Principal, key_id: UUID | None = None, status: RotationStatus | None = None
) -> QuerySet[KeyRotation]:
    """The rotations of visible keys, or of one of them, newest first. ``status``: only those."""
    rotations = KeyRotation.objects.visible_to(principal)
    if key_id is not None:
        rotations = rotations.filter(old_key=key_id)
    if status is not None:
        rotations = rotations.filter(status=status.value)
    return rotations.order_by("-rotated_at", "-id")


def due_keys(principal: Principal, now: datetime) -> KeyQuerySet:
    """The keys that are due, without those whose rotation failed within ``RETRY_AFTER``."""
    failed = KeyRotation.objects.filter(  # noqa: CC2 - a condition on keys that the caller may see
        old_key=OuterRef("pk"),
        old_version=OuterRef("primary_version"),
        status=RotationStatus.FAILED.value,
        rotated_at__gt=now - RETRY_AFTER,
    ).exclude(error_code=KeyNotActive.code)  # it has become active since
    return Key.objects.visible_to(principal).due_for_rotation(now).filter(Q(~Exists(failed)))


def perform_rotation(principal: Principal, rotation_id: UUID) -> None:
    """Perform a pending rotation of a job. Does nothing if it is no longer pending.

    The row keeps the result: it is completed, cancelled if the key has been rotated otherwise, or failed.
    """
    key_id = _pending(rotation_id).values_list("old_key", flat=True).first()
    if key_id is None:
        return
    try:
        material = material_for_rotation(principal, key_id)
        with transaction.atomic():
            key = lock_key(principal, key_id)  # before the row, as every other rotation does
            pending = _pending(rotation_id).select_for_update().first()
            if pending is not None:
                _rotate(principal, key, pending, material, pending.old_version)
    except VersionConflict as conflict:
        _pending(rotation_id).update(
            status=RotationStatus.CANCELLED.value, error_code=conflict.code, rotated_at=database_now()
        )
    except (DomainError, DatabaseError) as error:
        with transaction.atomic():
            rotation = _pending(rotation_id).select_for_update(of=("self",)).select_related("old_key").first()
            if rotation is not None:
                _fail(principal, rotation, rotation.old_key, as_refusal(error))


def new_rotation(principal: Principal, key: Key, reason: str) -> KeyRotation:
    """The row of a rotation in place, not yet saved."""
    return KeyRotation(
        old_key=key,
        new_key=key,
        old_version=key.primary_version,
        new_version=key.primary_version + 1,
        rotation_reason=reason,
        rotated_by_id=principal.user_id,
        service_account_id=principal.identity.service_account_id,
        rotated_at=database_now(),
        status=RotationStatus.COMPLETED,
    )


def _pending(rotation_id: UUID) -> KeyRotationQuerySet:
    return KeyRotation.objects.pending().filter(pk=rotation_id)  # noqa: CC2 - a rotation of a job, which the system performs


def _rotate(
    principal: Principal,
    key: Key,
    rotation: KeyRotation,
    material: NewMaterial,
    expected_version: int | None,
) -> KeyRotation:
    """Complete the rotation of a locked key. Raises KeyNotActive, VersionConflict."""
    now = database_now()
    if expected_version is not None and expected_version != key.primary_version:
        raise VersionConflict(
            f"The primary version is {key.primary_version}, not {expected_version}.",
            extra={**key.lifecycle_state(now).facts(), "primary_version": key.primary_version},
        )
    require_new_material(key, now)
    rotation.status, rotation.rotated_at = RotationStatus.COMPLETED, now
    rotation.save()  # noqa: CC3 - key_rotations have no MAC
    changes = _replace_primary(key, rotation.new_version, material, now)
    meta = {"reason": rotation.rotation_reason, "rotation_id": str(rotation.id)}
    meta |= {"job_id": str(rotation.job_id)} if rotation.job_id else {}
    finish_change(
        principal,
        actions.KEY_ROTATED,
        key,
        changes,
        version=rotation.new_version,
        meta={**meta, "old_version": rotation.old_version},
    )
    return rotation


def _replace_primary(key: Key, number: int, material: NewMaterial, now: datetime) -> list[RowChange]:
    before = trail.key_values(key)
    key.versions.filter(is_primary=True).update(is_primary=False)  # noqa: CC3 - nothing reads is_primary
    version = new_version(key, number, material, now)
    version.save_with_mac()
    key.primary_version = number
    if key.policy is not None:
        key.policy.check_mac()  # no lock: a change of the policy locks it first, then the keys whose rotations move
    key.next_rotation_at = next_rotation(key.effective_rotation_days, now)
    key.save_with_mac()
    return [
        RowChange.of_row(key, before=before, after=trail.key_values(key)),
        RowChange.of_row(version, after=trail.version_values(version)),
    ]


def _fail(principal: Principal, rotation: KeyRotation, key: Key, fault: DomainError) -> None:
    rotation.status, rotation.error_code = RotationStatus.FAILED, fault.code
    rotation.rotated_at = database_now()
    rotation.save()  # noqa: CC3 - key_rotations have no MAC
    outcome = Outcome.DENIED if isinstance(fault, Conflict) else Outcome.ERROR
    meta: dict[str, object] = {"reason": rotation.rotation_reason, "rotation_id": str(rotation.id)}
    event = key_event(actions.KEY_ROTATED, key, meta=meta)
    record(replace(event, outcome=outcome, code=fault.code), principal.actor)
