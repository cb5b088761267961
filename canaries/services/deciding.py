"""Decide about an incident: new → acknowledged → confirmed or a false alarm → closed."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from canaries.documents import Incident, Status
from canaries.sealed.store import changing
from canaries.services.reading import find_incident
from kernel.errors import Conflict, Invalid

NEXT: Final[Mapping[Status, tuple[Status, ...]]] = {
    Status.NEW: (Status.ACKNOWLEDGED, Status.CONFIRMED, Status.FALSE_ALARM),
    Status.ACKNOWLEDGED: (Status.CONFIRMED, Status.FALSE_ALARM),
    Status.CONFIRMED: (Status.CLOSED,),
    Status.FALSE_ALARM: (Status.CLOSED,),
    Status.CLOSED: (),
}


def decide(*, by: str, incident_id: UUID, status: Status, reason: str = "") -> Incident:
    """Set the status. Later touches of a credential whose incident is a false alarm or closed open a new one.

    Raises NotFound, Conflict if the status does not follow the present one, Invalid for a false alarm without a
    reason, DocumentsAltered.
    """
    if status is Status.FALSE_ALARM and not reason:
        raise Invalid.of_field("reason", "Give the reason of the false alarm.")
    with changing(by) as change:
        incident = find_incident(change.incidents.incidents, incident_id)
        if status not in NEXT[incident.status]:
            raise Conflict(
                f"The incident is {incident.status.replace('_', ' ')}. Reload it, and decide again."
            )
        incident.status, incident.decided_by, incident.decided_at = status, by, change.at
        incident.reason = reason or incident.reason
        change.note("incident.decided", incident=incident_id, status=status, reason=reason)
    return incident
