"""Change what an officer wrote about a canary."""

from uuid import UUID

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from canaries.documents import Canary, Exemption, Level
from canaries.notices import ASK, CANARY_CHANGED, queue_text
from canaries.sealed.store import changing
from canaries.services.planting import check_exemptions, find_canary


def change_canary(
    *,
    by: str,
    canary_id: UUID,
    note: str | UnsetType = UNSET,
    level: Level | UnsetType = UNSET,
    exemptions: tuple[Exemption, ...] | UnsetType = UNSET,
) -> Canary:
    """Raises NotFound, Invalid, DocumentsAltered."""
    if exemptions is not UNSET:
        check_exemptions(exemptions)
    given = {"note": note, "level": level, "exemptions": exemptions}
    with changing(by) as change:
        canary = find_canary(change.set.canaries, canary_id)
        changed = replace(canary, **{name: value for name, value in given.items() if value is not UNSET})
        change.set.canaries[change.set.canaries.index(canary)] = changed
        change.note(CANARY_CHANGED, canary=changed)
        queue_text(change, CANARY_CHANGED, f"The canary {canary.name} was changed", ASK, change.set.channels)
    return changed
