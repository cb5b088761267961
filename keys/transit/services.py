"""Create, read and configure transit keys. Their rotation and deletion are those of every key."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypedDict
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.crypto.algorithms import algorithm_of_key
from kernel.crypto.transit_types import TransitType, type_of
from kernel.databases.rows import first_of
from kernel.errors import Conflict, Invalid
from kernel.trust.row_heads import check_locked, current_rows
from keys import actions, new_material, trail
from keys.changing import finish_change, lock_key
from keys.creation.services import draft_key, store_key
from keys.editing.services import KeyUpdate, update_key
from keys.lifecycle import VersionState
from keys.models import Key, KeyVersion, TransitKey
from keys.models.transit import MAX_NAME
from keys.ring.key_loading import id_within_reach
from keys.rotation.services.rotating import rotate_key
from keys.transit.mounts import require_mount

_NAME: Final = re.compile(rf"\w[\w.-]{{0,{MAX_NAME - 1}}}", re.ASCII)
_DAY: Final = timedelta(days=1)
KEPT: Final = frozenset({VersionState.ENABLED, VersionState.DISABLED})
"""The states of versions that were not trimmed."""


@dataclass(frozen=True, slots=True)
class FoundTransitKey:
    """A transit key with its versions from the minimum one on, oldest first.

    ``min_available_version``: the first one with material, 0 if no version was trimmed.
    """

    key: Key
    transit: TransitKey
    kind: TransitType
    versions: Sequence[KeyVersion]
    min_available_version: int


class TransitUpdate(TypedDict, total=False):
    """The settings to change. ``rotation_period``: zero for no automatic rotation.

    ``exportable``: True only if it is so already, or with a migration token.
    """

    exportable: bool
    min_decryption_version: int
    min_encryption_version: int
    deletion_allowed: bool
    allow_plaintext_backup: bool
    rotation_period: timedelta


def create_transit_key(
    *,
    principal: Principal,
    mount: str,
    name: str,
    kind: TransitType,
    exportable: bool = False,
    allow_plaintext_backup: bool = False,
    rotation_period: timedelta = timedelta(0),
) -> FoundTransitKey:
    """Create a key. Its own name is derived from ``name``, which is case-sensitive.

    Raises Denied, Invalid, Conflict for a name in use, PolicyViolated, Overloaded, Throttled.
    """
    principal.require("keys.create")
    principal.require("keys.read")  # for the response, and before the change
    check_transit_name(name)
    algorithm = algorithm_of_key(kind.algorithm, "transit")
    material = new_material.generate(algorithm, principal.identity)
    key = draft_key(
        principal,
        algorithm,
        name=native_name(name),
        exportable=exportable,
        rotation_period_days=days_of(rotation_period),
        deletion_protection=True,  # deletion_allowed is false in OpenBao until it is set
    )
    transit = TransitKey(key=key, mount=mount, name=name, allow_plaintext_backup=allow_plaintext_backup)
    with unique_transit_name(mount, name):
        require_mount(mount)
        store_key(principal, key, material, policy_id=None, transit=transit)
    return find_transit_key(principal=principal, key_id=key.id)


def check_transit_name(name: str) -> None:
    """Raises Invalid."""
    if not _NAME.fullmatch(name):
        raise Invalid(f"A name has 1 to {MAX_NAME} letters, digits, periods, hyphens and underscores.")


@contextmanager
def unique_transit_name(mount: str, name: str) -> Iterator[None]:
    """A transaction that creates a key with this name. Raises Conflict if the name is in use."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        if not TransitKey.objects.filter(mount=mount, name=name).exists():
            raise
        raise Conflict("A key with this name exists already.") from None


def rotate_transit_key(*, principal: Principal, key_id: UUID, reason: str) -> FoundTransitKey:
    """Rotate a key and read it. Raises as ``rotate_key`` and ``find_transit_key``."""
    # Before the rotation, because a client would repeat one whose response is a refusal.
    principal.require("keys.read")
    rotate_key(principal=principal, key_id=key_id, reason=reason)
    return find_transit_key(principal=principal, key_id=key_id)


def find_transit_key(*, principal: Principal, key_id: UUID) -> FoundTransitKey:
    """Raises Denied, ``out_of_reach``, IntegrityFailed."""
    principal.require("keys.read")
    id_within_reach(principal=principal, reference=key_id)
    [transit] = current_rows(TransitKey.objects.filter(pk=key_id))
    found = KeyVersion.objects.filter(key_id=key_id).select_related("key").order_by("version")  # noqa: CC2 - within reach, see above
    rows = list(current_rows(found, "key"))
    key = rows[0].key
    kind = type_of(key.algorithm)
    if kind is None:
        raise Invalid("This is no transit key.")
    versions = [row for row in rows if row.version >= key.min_decryption_version]
    return FoundTransitKey(key, transit, kind, versions, min_available_version(rows))


def min_available_version(rows: Iterable[KeyVersion]) -> int:
    """Of all versions of a key, oldest first: the first one that was not trimmed, 0 if it is the first of all."""
    first = next((row.version for row in rows if row.state in KEPT), 1)
    return first if first > 1 else 0


def list_transit_names(*, principal: Principal, mount: str) -> list[str]:
    """The names of the visible keys in a mount, in the order of their code points. Raises Denied."""
    principal.require("keys.read")
    visible = TransitKey.objects.filter(mount=mount, key__in=Key.objects.visible_to(principal))
    return sorted(visible.values_list("name", flat=True))


@transaction.atomic
def configure_transit_key(*, principal: Principal, key_id: UUID, changes: TransitUpdate) -> FoundTransitKey:
    """Change settings. A plaintext backup that is allowed stays allowed, as in OpenBao.

    Raises Denied, ``out_of_reach``, Invalid, and RecentAuthRequired for raising the minimum decryption version.
    """
    principal.require("keys.update")
    principal.require("keys.read")  # for the response, and before the change
    key = lock_key(principal, key_id)
    if changes.get("exportable") and not key.exportable:
        _allow_export(principal, key)
    _update_key(principal, key, changes)
    key = lock_key(principal, key_id)
    transit = first_of(TransitKey.objects.filter(pk=key_id))
    check_locked(key, transit)
    before = trail.transit_values(transit)
    transit.allow_plaintext_backup |= changes.get("allow_plaintext_backup", False)
    transit.min_encryption_version = changes.get("min_encryption_version", transit.min_encryption_version)
    _check_versions(key, transit)
    if trail.transit_values(transit) != before:
        transit.save_with_mac()
        change = RowChange.of_row(transit, before=before, after=trail.transit_values(transit))
        finish_change(principal, actions.KEY_UPDATED, key, [change])
    found = find_transit_key(principal=principal, key_id=key_id)
    if "min_decryption_version" in changes and key.min_decryption_version < found.min_available_version:
        # The spelling is OpenBao's.
        raise Invalid("min decryption version should not be less then min available version")
    return found


def _allow_export(principal: Principal, key: Key) -> None:
    """Only a migration token turns it on. Raises Invalid."""
    if not principal.is_migrating:
        raise Invalid("exportable can only be set when a key is created, or with a migration token")
    before = trail.key_values(key)
    key.exportable = True
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, actions.KEY_UPDATED, key, [change])


def _update_key(principal: Principal, key: Key, changes: TransitUpdate) -> None:
    """Change what every key has."""
    update: KeyUpdate = {}
    if "min_decryption_version" in changes:
        _require_version(key, changes["min_decryption_version"], "decryption")
        update["min_decryption_version"] = max(1, changes["min_decryption_version"])
    if "deletion_allowed" in changes:
        update["deletion_protection"] = not changes["deletion_allowed"]
    if "rotation_period" in changes:
        update["rotation_period_days"] = days_of(changes["rotation_period"])
    if update:
        update_key(principal=principal, key_id=key.id, changes=update)


def _check_versions(key: Key, transit: TransitKey) -> None:
    """Raises Invalid, in OpenBao's words."""
    encryption, decryption = transit.min_encryption_version, key.min_decryption_version
    _require_version(key, encryption, "encryption")
    if 0 < encryption < decryption:
        raise Invalid(
            f"cannot set min encryption/decryption values; min encryption version of {encryption} must be greater than "
            f"or equal to min decryption version of {decryption}"
        )


def _require_version(key: Key, number: int, what: str) -> None:
    if number < 0:
        raise Invalid(f"min {what} version cannot be negative")
    if number > key.primary_version:
        raise Invalid(
            f"cannot set min {what} version of {number}, latest key version is {key.primary_version}"
        )


def days_of(period: timedelta) -> int | None:
    """Raises Invalid for a period that is not a number of days."""
    if not period:
        return None
    days, rest = divmod(period, _DAY)
    if rest or days < 1:
        raise Invalid(
            "auto rotate period must be 0 to disable or a number of whole days, such as 24h or 720h"
        )
    return days


def native_name(name: str) -> str:
    """Unique, because it has random digits: names of transit keys differ in case and in mount."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return "-".join(filter(None, ["transit", readable, uuid4().hex[:12]]))
