"""The versions of a key, with the creator of each and the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.principals import Principal
from keys.models import KeyRotation, KeyVersion
from keys.services.reading import list_versions

CREATION = "key created"


@dataclass(frozen=True, slots=True)
class MadeVersion:
    """``made_by`` is "" for the system: a schedule or a command."""

    version: KeyVersion
    made_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class VersionWindow:
    """One page of a key's versions. ``next_before`` starts the next page; None at the end."""

    versions: Sequence[MadeVersion]
    next_before: int | None


def list_made_versions(
    *, principal: Principal, key_id: UUID, before: int | None, limit: int
) -> VersionWindow:
    """The newest ``limit`` versions before the version ``before``, or the newest of all. Raises NotFound."""
    versions = list_versions(principal=principal, key_id=key_id).select_related("key__created_by")
    if before is not None:
        versions = versions.filter(version__lt=before)
    window = list(versions[: limit + 1])
    numbers = [version.version for version in window]
    rotations = {
        rotation.new_version: rotation
        for rotation in KeyRotation.objects.visible_to(principal)
        .filter(new_key_id=key_id, new_version__in=numbers)
        .select_related("rotated_by")
    }
    made = [_made(version, rotations.get(version.version)) for version in window[:limit]]
    return VersionWindow(made, window[limit - 1].version if len(window) > limit else None)


def _made(version: KeyVersion, rotation: KeyRotation | None) -> MadeVersion:
    by = version.key.created_by if rotation is None else rotation.rotated_by
    return MadeVersion(
        version, by.username if by else "", CREATION if rotation is None else rotation.rotation_reason
    )
