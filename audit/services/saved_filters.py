"""Saved filters: private, or shared with users who may read the whole list."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from django.db import IntegrityError, transaction

from audit import actions
from audit.errors import TooManyFilters
from audit.log.events import Actor, Event, RowChange
from audit.models import LOG, FilteredList, Reader, SavedFilter
from audit.models.saved_filters import SavedFilterQuerySet
from audit.services.recording import record
from kernel.databases.rows import first_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Denied, Invalid
from kernel.rules import Caller

_LOCK = int.from_bytes(b"cc-filtr")  # our key among PostgreSQL's advisory locks, a bigint
MOST_FILTERS = 50  # of one user or service account, in one list


class Owner(Caller, Protocol):
    """A caller who saves filters."""

    @property
    def actor(self) -> Actor: ...


def find_filters(*, reader: Reader, of: FilteredList = LOG) -> SavedFilterQuerySet:
    """The reader's own filters, and filters that are shared with them, by name. Raises Denied."""
    return SavedFilter.objects.visible_to(reader, of).order_by("name", "id")


def save_filter(
    *,
    principal: Owner,
    name: str,
    filters: Mapping[str, str],
    is_shared: bool = False,
    of: FilteredList = LOG,
) -> SavedFilter:
    """Save a filter. Raises Denied, TooManyFilters, and Invalid for a name that the caller already uses, for an empty
    filter, and for a shared filter of a caller who may not read the whole list.
    """
    principal.require(of.permission)
    owner, actor = principal.identity, principal.actor
    if owner.id is None:
        raise Denied(f"Only users and service accounts can save {of.noun}s.")
    if not filters:
        raise Invalid.of_field("filters", "Add at least one filter.")
    if is_shared and principal.scope(of.permission) != "all":
        raise Invalid.of_field(
            "is_shared", f"You cannot share {of.noun}s because you can only see {of.reach}."
        )
    kept = SavedFilter(
        list_name=of.name,
        name=name,
        owner=owner.id,
        owner_type=owner.type.value,
        owner_name=actor.actor_name,
        is_shared=is_shared,
        filters=dict(filters),
    )
    try:
        with transaction.atomic():
            _require_room(owner.id, of)
            kept.save(force_insert=True)  # noqa: CC3 - search words decide nothing
            _record(actions.FILTER_SAVED, kept, actor)
    except IntegrityError:
        raise Invalid.of_field("name", f"You already have a {of.noun} with this name.") from None
    return kept


def delete_filter(*, principal: Owner, filter_id: UUID, of: FilteredList = LOG) -> SavedFilter:
    """Delete one of the caller's filters. Raises NotFound, and Denied for a filter that another user shares."""
    principal.require(of.permission)
    with transaction.atomic():
        kept = first_of(find_filters(reader=principal, of=of).select_for_update().filter(id=filter_id))
        if kept.owner != principal.identity.id:
            raise Denied(f"Only the owner, {kept.owner_name}, can delete this {of.noun}.")
        kept.delete()
        kept.id = filter_id
        _record(actions.FILTER_DELETED, kept, principal.actor)
    return kept


def _require_room(owner: UUID, of: FilteredList) -> None:
    wait_for_lock(_LOCK)  # otherwise concurrent requests would not see each other
    if SavedFilter.objects.filter(owner=owner, list_name=of.name).count() >= MOST_FILTERS:
        raise TooManyFilters(MOST_FILTERS)


def _record(action: str, kept: SavedFilter, actor: Actor) -> None:
    values = {
        "list_name": kept.list_name,
        "name": kept.name,
        "is_shared": kept.is_shared,
        "filters": kept.filters,
    }
    made = RowChange.inserted if action == actions.FILTER_SAVED else RowChange.deleted
    event = Event(action=action, object_type="saved_filter", object_id=str(kept.id))
    record(event, actor, changes=[made("audit_saved_filters", kept.id, values)])
