"""Change a key's description, tags, expiry and rotation period."""

from collections.abc import Callable
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from django.db import transaction

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from keys import actions, lifecycle, metadata, trail
from keys.errors import IllegalTransition, VersionConflict
from keys.models import Key
from keys.selection import searched_text
from keys.services.changing import finish_change, lock_key


class KeyUpdate(TypedDict, total=False):
    """The fields to change. Omitted fields keep their values."""

    description: str
    tags: list[str]
    expires_at: datetime | None
    rotation_period_days: int | None


@transaction.atomic
def update_key(
    *, principal: Principal, key_id: UUID, changes: KeyUpdate, only_if: Callable[[Key], bool] | None = None
) -> Key:
    """Change the fields in ``changes``, if ``only_if`` accepts the key after it is locked.

    Raises NotFound, Invalid, VersionConflict if ``only_if`` returns false, and IllegalTransition for moving an
    expiry that has passed.
    """
    principal.require("keys.update")
    key = lock_key(principal, key_id)
    if only_if is not None and not only_if(key):
        raise VersionConflict("The key has changed since you read it. Read it again, then retry.")
    before = trail.key_values(key)
    if "description" in changes:
        metadata.check_description(changes["description"])
        key.description = changes["description"]
    if "tags" in changes:
        metadata.check_tags(changes["tags"])
        key.tags = changes["tags"]
    if "expires_at" in changes:
        _move_expiry(key, changes["expires_at"])
    if "rotation_period_days" in changes:
        _set_rotation_period(key, changes["rotation_period_days"])
    is_first_cover = "tags" in changes and key.stored_mac_version < key.MAC_VERSION
    if trail.key_values(key) == before and not is_first_cover:
        return key
    key.searched_text = searched_text(key.name, key.description, key.tags)
    key.save_with_mac(sets_all_fields="tags" in changes)
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    finish_change(principal, actions.KEY_UPDATED, key, [change])
    return key


def _move_expiry(key: Key, expires_at: datetime | None) -> None:
    now = database_now()
    if expires_at == key.expires_at:
        return
    if key.expires_at is not None and key.expires_at <= now:
        # Otherwise an editor could reactivate an expired key, which no transition allows.
        raise IllegalTransition(
            "The key has expired. Its expiry cannot be changed.", extra=key.lifecycle_state(now).facts()
        )
    metadata.check_expiry(expires_at, key.activates_at, now)
    key.expires_at = expires_at


def _set_rotation_period(key: Key, days: int | None) -> None:
    metadata.check_rotation_period(days)
    key.rotation_period_days = days
    key.next_rotation_at = lifecycle.next_rotation(
        days, key.versions.get(version=key.primary_version).created_at
    )
