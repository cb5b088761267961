"""Filters that somebody keeps, for himself or for whoever reads the whole log."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from django.db import IntegrityError, transaction

from audit import actions
from audit.errors import TooManyFilters
from audit.events import Actor, Event, RowChange
from audit.models import READ_PERMISSION, Reader, SavedFilter
from audit.models.saved_filters import SavedFilterQuerySet
from audit.services.recording import record
from audit.turns import take_turn
from ciphercanary.errors import Denied, Invalid, NotFound
from ciphercanary.rules import Caller

LOCK = int.from_bytes(b"cc-filtr")  # a bigint of our own among PostgreSQL's advisory locks
MOST_FILTERS = 50  # of one person


class Keeper(Caller, Protocol):
    """Whoever keeps filters."""

    @property
    def actor(self) -> Actor: ...


def find_filters(*, reader: Reader) -> SavedFilterQuerySet:
    """The reader's own and those that are shared with him, by name. Raises Denied."""
    return SavedFilter.objects.visible_to(reader).order_by("name", "id")


def save_filter(
    *, principal: Keeper, name: str, filters: Mapping[str, str], is_shared: bool = False
) -> SavedFilter:
    """Keep a filter. Raises Denied, TooManyFilters, and Invalid for a name the caller has used, a filter that asks
    nothing, and one to share from whoever does not read the whole log.
    """
    principal.require(READ_PERMISSION)
    owner, actor = principal.user_id, principal.actor
    if owner is None:
        raise Denied("Only a user can save filters.")
    if not filters:
        raise Invalid.of_field("filters", "Add at least one filter.")
    if is_shared and principal.scope(READ_PERMISSION) != "all":
        raise Invalid.of_field(
            "is_shared", "You cannot share filters because you can only see your own entries."
        )
    kept = SavedFilter(
        name=name, owner=owner, owner_name=actor.actor_name, is_shared=is_shared, filters=dict(filters)
    )
    try:
        with transaction.atomic():
            _require_room(owner)
            kept.save(force_insert=True)
            _record(actions.FILTER_SAVED, kept, actor)
    except IntegrityError:
        raise Invalid.of_field("name", "You already have a filter with this name.") from None
    return kept


def delete_filter(*, principal: Keeper, filter_id: UUID) -> SavedFilter:
    """Forget one of the caller's own. Raises Denied for one that another shares, and NotFound."""
    principal.require(READ_PERMISSION)
    with transaction.atomic():
        kept = find_filters(reader=principal).select_for_update().filter(id=filter_id).first()
        if kept is None:
            raise NotFound
        if kept.owner != principal.user_id:
            raise Denied(f"Only the owner, {kept.owner_name}, can delete this filter.")
        kept.delete()
        kept.id = filter_id
        _record(actions.FILTER_DELETED, kept, principal.actor)
    return kept


def _require_room(owner: UUID) -> None:
    take_turn(LOCK)  # or requests at the same moment would not see each other
    if SavedFilter.objects.filter(owner=owner).count() >= MOST_FILTERS:
        raise TooManyFilters(MOST_FILTERS)


def _record(action: str, kept: SavedFilter, actor: Actor) -> None:
    values = {"name": kept.name, "is_shared": kept.is_shared, "filters": kept.filters}
    made = RowChange.inserted if action == actions.FILTER_SAVED else RowChange.deleted
    event = Event(action=action, object_type="saved_filter", object_id=str(kept.id))
    record(event, actor, changes=[made("audit_saved_filters", kept.id, values)])
