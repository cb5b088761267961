"""The names of deleted transit keys: free at once for another key, and claimed again if the deletion is cancelled."""

import re
from typing import Final

from audit.log.events import RowChange
from kernel.databases.rows import first_of
from kernel.errors import Conflict
from kernel.trust.row_heads import check_locked
from keys import trail
from keys.models import Key, TransitKey
from keys.models.transit import lock_existing_mount

# No mount begins like this, so no reference finds the key.
_FREED: Final = re.compile(r"![0-9a-f]{32}/")


def free_name(key: Key) -> RowChange:
    """Give the name of a locked transit key to others. ``reclaim_name`` reads the mount from what is left."""
    transit = _locked(key)
    return _move(transit, f"!{key.id.hex}/{transit.mount}")


def reclaim_name(key: Key) -> list[RowChange]:
    """Take the name of a locked key again, if it was freed. Raises Conflict if another key has it, and without its mount."""
    if key.purpose != "transit":
        return []
    transit = _locked(key)
    if not _FREED.match(transit.mount):
        return []
    mount = _FREED.sub("", transit.mount, count=1)
    if not lock_existing_mount(mount):
        raise Conflict(
            f"The mount {mount}/ does not exist any more. Create it first, or leave this key deleted."
        )
    if TransitKey.objects.filter(mount=mount, name=transit.name).exists():
        raise Conflict(
            f"Another key has the name {mount}/{transit.name} now. Delete that key first, or leave this one deleted."
        )
    return [_move(transit, mount)]


def _locked(key: Key) -> TransitKey:
    transit = first_of(TransitKey.objects.filter(pk=key.pk))
    check_locked(key, transit)
    return transit


def _move(transit: TransitKey, mount: str) -> RowChange:
    before = trail.transit_values(transit)
    transit.mount = mount
    transit.save_with_mac()
    return RowChange.of_row(transit, before=before, after=trail.transit_values(transit))
