"""Disable and enable one version of a key."""

from uuid import UUID

from django.db import transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.labels import check_reason
from keys import actions, trail
from keys.changing import finish_change, lock_version
from keys.errors import IllegalTransition
from keys.lifecycle import VersionState
from keys.models import KeyVersion


def disable_version(*, principal: Principal, key_id: UUID, version: int, reason: str) -> KeyVersion:
    """Stop an earlier version from decrypting. Raises NotFound, IllegalTransition (primary, or already disabled)."""
    return _change_state(principal, key_id, version, VersionState.DISABLED, reason)


def enable_version(*, principal: Principal, key_id: UUID, version: int, reason: str) -> KeyVersion:
    """Allow a disabled version to decrypt again. Raises NotFound, IllegalTransition."""
    return _change_state(principal, key_id, version, VersionState.ENABLED, reason)


@transaction.atomic
def _change_state(
    principal: Principal, key_id: UUID, number: int, to: VersionState, reason: str
) -> KeyVersion:
    principal.require("keys.disable")
    check_reason(reason)
    key, version = lock_version(principal, key_id, number)
    if version.state == to:
        raise IllegalTransition(f"Version {number} is already {to}.", extra={"state": str(to)})
    if version.state in {VersionState.SCHEDULED, VersionState.DESTROYED}:
        raise IllegalTransition(
            f"Version {number} is {version.state_word}. Only an enabled or disabled version can change.",
            extra={"state": str(version.state)},
        )
    if number == key.primary_version:
        raise IllegalTransition(
            "You cannot disable the primary version. Rotate the key first, or disable the key.",
            extra={"state": str(version.state), "primary_version": key.primary_version},
        )
    before = trail.version_values(version)
    version.state = to
    version.save_with_mac(update_fields=["state"], sets_all_fields=True)
    action = actions.VERSION_DISABLED if to is VersionState.DISABLED else actions.VERSION_ENABLED
    change = RowChange.of_row(version, before=before, after=trail.version_values(version))
    finish_change(principal, action, key, [change], version=number, meta={"reason": reason})
    return version
