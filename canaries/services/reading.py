"""Read canaries, incidents and the journal, without a trace."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from canaries.documents import Canary, Incident, Record, watched
from canaries.sealed import journal
from canaries.sealed.store import read_incidents, read_set
from canaries.services.planting import find_canary
from kernel.errors import NotFound


class ListedCanary(Struct, frozen=True, kw_only=True):
    """A canary with the time of its last touch."""

    canary: Canary
    touched_at: datetime | None = None


class _NumberedRecord(Struct, frozen=True, kw_only=True):
    """A record of the journal with the number of its page."""

    page: int
    record: Record


def list_canaries() -> list[ListedCanary]:
    """Newest first. Raises DocumentsAltered."""
    touched_at = read_incidents().touched_at
    canaries = sorted(read_set().canaries, key=lambda canary: canary.planted_at, reverse=True)
    return [ListedCanary(canary=canary, touched_at=touched_at.get(canary.id)) for canary in canaries]


def get_canary(canary_id: UUID) -> ListedCanary:
    """Raises NotFound, DocumentsAltered."""
    canary = find_canary(read_set().canaries, canary_id)
    return ListedCanary(canary=canary, touched_at=read_incidents().touched_at.get(canary_id))


def list_incidents() -> list[Incident]:
    """Open ones first, then by the time of the last touch, newest first. Raises DocumentsAltered."""
    return sorted(
        read_incidents().incidents, key=lambda incident: (incident.is_open, incident.last_at), reverse=True
    )


def get_incident(incident_id: UUID) -> Incident:
    """Raises NotFound, DocumentsAltered."""
    return find_incident(read_incidents().incidents, incident_id)


def find_incident(incidents: Iterable[Incident], incident_id: UUID) -> Incident:
    """Raises NotFound."""
    found = next((each for each in incidents if each.id == incident_id), None)
    if found is None:
        raise NotFound
    return found


def canaries_of(incident: Incident) -> list[Canary]:
    """The touched canaries and offices that still exist. Raises DocumentsAltered."""
    return [canary for canary in watched(read_set()) if canary.id in incident.canary_ids]


def read_journal(*, before: int | None, limit: int) -> list[_NumberedRecord]:
    """Records, newest first, of pages before this one: ``limit`` or more, so that the last page is whole.

    Raises DocumentsAltered for an altered page.
    """
    found: list[_NumberedRecord] = []
    for page in journal.read_back(before):
        found += [_NumberedRecord(page=page.number, record=record) for record in reversed(page.records)]
        if len(found) >= limit:
            break
    return found
