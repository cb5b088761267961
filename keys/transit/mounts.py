"""Mounts: the paths below which transit keys have their names."""

import re
from typing import Final

from django.db import IntegrityError, transaction

from accounts.principals import Principal
from accounts.tokens.access_tokens import confirm_rights
from audit.log.events import Event, RowChange
from audit.services.recording import record
from kernel.errors import Conflict, Invalid, NotFound
from kernel.freshness.epoch import lock_epoch
from kernel.labels import prose_fault
from kernel.trust.row_heads import current_rows
from kernel.trust.row_state import delete_rows
from keys import actions
from keys.models import TransitMount
from keys.models.transit import DEFAULT_MOUNT, MAX_MOUNT, MAX_MOUNT_DESCRIPTION, lock_existing_mount

_FREED: Final = 34  # characters that the mount of a deleted key has more
_PATH: Final = re.compile(r"[\w-]+(?:/[\w-]+)*", re.ASCII)
_RESERVED: Final = frozenset({"sys", "auth", "identity", "cubbyhole"})
"""The first segments of other paths."""
OPERATIONS: Final = frozenset(
    {
        "encrypt",
        "decrypt",
        "sign",
        "verify",
        "hmac",
        "rewrap",
        "datakey",
        "random",
        "hash",
        "keys",
        "export",
        "backup",
        "restore",
        "wrapping_key",
    }
)
"""The segments that follow the path of a mount. No mount has one."""


def create_mount(*, principal: Principal, path: str, description: str = "") -> TransitMount:
    """Raises Denied, Invalid, Conflict in OpenBao's words."""
    principal.require_migration_token()
    _check_path(path)
    _check_description(description)
    mount = TransitMount(path=path, description=description)
    try:
        with transaction.atomic():
            if used := next((other for other in _paths() if _overlap(path, other)), None):
                raise Conflict(f"path is already in use at {used}/")
            mount.save_with_mac()
            _finish(principal, actions.MOUNT_CREATED, mount, RowChange.of_row(mount, after=_values(mount)))
    except IntegrityError:
        raise Conflict(f"path is already in use at {path}/") from None
    return mount


@transaction.atomic
def describe_mount(*, principal: Principal, path: str, description: str) -> TransitMount:
    """Raises Denied, NotFound, Invalid."""
    principal.require_migration_token()
    _check_description(description)
    mount = lock_mount(path)
    before = _values(mount)
    mount.description = description
    mount.save_with_mac()
    change = RowChange.of_row(mount, before=before, after=_values(mount))
    _finish(principal, actions.MOUNT_CHANGED, mount, change)
    return mount


def remove_mount(principal: Principal, mount: TransitMount) -> None:
    """Remove a locked row, within the transaction that has deleted its keys."""
    change = RowChange.of_row(mount, before=_values(mount))
    delete_rows(TransitMount.objects.filter(pk=mount.pk))
    _finish(principal, actions.MOUNT_DELETED, mount, change)


def list_mounts(*, principal: Principal) -> dict[str, str]:
    """The description of each mount, by path. Raises Denied."""
    principal.require("keys.read")
    rows = current_rows(TransitMount.objects.order_by("path"))
    return {DEFAULT_MOUNT: ""} | {row.path: row.description for row in rows}


def mount_of(path: str) -> str | None:
    """The mount of a path of a request, or None."""
    return next((each for each in _paths() if path == each or path.startswith(f"{each}/")), None)


def require_mount(mount: str) -> None:
    """Refuse a new key in a mount that does not exist, which stays until the transaction ends. Raises Invalid."""
    if not lock_existing_mount(mount):
        raise Invalid(f"no handler for route '{mount}/'. Create the mount first, with a migration token.")


def lock_mount(path: str) -> TransitMount:
    """Raises NotFound."""
    mount = TransitMount.objects.select_for_update().filter(pk=path).first()
    if mount is None:
        raise NotFound(f"No mount {path}/.")
    return mount.check_mac()


def _paths() -> list[str]:
    return [DEFAULT_MOUNT, *TransitMount.objects.values_list("path", flat=True)]


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _check_path(path: str) -> None:
    segments = path.split("/")
    if not _PATH.fullmatch(path) or len(path) > MAX_MOUNT - _FREED:
        raise Invalid(
            f"A path has at most {MAX_MOUNT - _FREED} letters, digits, hyphens, underscores and slashes between them."
        )
    if segments[0] in _RESERVED or OPERATIONS & set(segments):
        raise Invalid(f"The path {path}/ has a word that the server uses itself. Choose another path.")


def _check_description(description: str) -> None:
    if fault := prose_fault(description, MAX_MOUNT_DESCRIPTION):
        raise Invalid(f"description: {fault}")


def _values(mount: TransitMount) -> dict[str, object]:
    return {"path": mount.path, "description": mount.description}


def _finish(principal: Principal, action: str, mount: TransitMount, change: RowChange) -> None:
    event = Event(action=action, object_type="transit_mount", object_id=mount.path, meta={"name": mount.path})
    record(event, principal.actor, changes=[change])
    lock_epoch()
    confirm_rights(principal)
