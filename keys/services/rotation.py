"""Rotation: new material for a key under the same ID."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.crypto.algorithms import find_key_algorithm
from kernel.errors import DomainError, Unavailable
from kernel.labels import check_reason
from keys import actions, trail
from keys.errors import VersionConflict
from keys.lifecycle import next_rotation, require_protect
from keys.models import Key, KeyRotation
from keys.services.changing import finish_change, lock_key, new_version

DUE_REASON = "rotation period has passed"


@transaction.atomic
def rotate_key(
    *, principal: Principal, key_id: UUID, reason: str, expected_version: int | None = None
) -> KeyRotation:
    """Add a version and make it primary. Earlier versions still decrypt.

    ``expected_version`` is the primary version that the caller saw: of several rotations with the same value,
    exactly one succeeds. Raises NotFound, KeyNotActive, VersionConflict.
    """
    principal.require("keys.rotate")
    check_reason(reason)
    key = lock_key(principal, key_id)
    now = database_now()
    if expected_version is not None and expected_version != key.primary_version:
        raise VersionConflict(
            f"The primary version is {key.primary_version}, not {expected_version}.",
            extra={**key.lifecycle_state(now).facts(), "primary_version": key.primary_version},
        )
    require_protect(key.lifecycle_state(now))
    rotation = _record_rotation(principal, key, reason, now)
    changes = _replace_primary(key, rotation.new_version, now)
    finish_change(
        principal,
        actions.KEY_ROTATED,
        key,
        changes,
        version=rotation.new_version,
        meta={"reason": reason, "rotation_id": str(rotation.id), "old_version": rotation.old_version},
    )
    return rotation


@dataclass(frozen=True, slots=True)
class DueRotation:
    """The result for one key whose rotation period has passed. In a dry run neither field is set."""

    key: Key
    rotation: KeyRotation | None = None
    error: DomainError | None = None


def rotate_due_keys(*, principal: Principal, dry_run: bool = False) -> Iterator[DueRotation]:
    """Rotate every active key whose period has passed, one transaction each. A failure does not stop the others."""
    due = list(Key.objects.visible_to(principal).due_for_rotation(database_now()).order_by("name"))
    for key in due:
        try:
            yield DueRotation(key) if dry_run else _rotate_due(principal, key)
        except VersionConflict:
            continue  # another run or a user has just rotated it, so it is no longer due


def _rotate_due(principal: Principal, key: Key) -> DueRotation:
    try:
        rotation = rotate_key(
            principal=principal, key_id=key.id, reason=DUE_REASON, expected_version=key.primary_version
        )
    except VersionConflict:
        raise
    except DomainError as error:
        return DueRotation(key, error=error)
    except DatabaseError:
        return DueRotation(key, error=Unavailable("The database rejected the change."))
    return DueRotation(key, rotation)


def _record_rotation(principal: Principal, key: Key, reason: str, now: datetime) -> KeyRotation:
    return KeyRotation.objects.create(
        old_key=key,
        new_key=key,
        old_version=key.primary_version,
        new_version=key.primary_version + 1,
        rotation_reason=reason,
        rotated_by_id=principal.user_id,
        service_account_id=principal.identity.service_account_id,
        rotated_at=now,
    )


def _replace_primary(key: Key, number: int, now: datetime) -> list[RowChange]:
    before = trail.key_values(key)
    key.versions.filter(is_primary=True).update(is_primary=False)
    version = new_version(key, number, find_key_algorithm(key.algorithm), now)
    version.save_with_mac()
    key.primary_version = number
    key.next_rotation_at = next_rotation(key.effective_rotation_days, now)
    key.save_with_mac()
    return [
        RowChange.of_row(key, before=before, after=trail.key_values(key)),
        RowChange.of_row(version, after=trail.version_values(version)),
    ]
