"""A drill: refused requests for a canary, which must reach every channel. The caller sends the requests."""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from msgspec import Struct

from audit.models import AuditLog
from canaries.documents import DRILL, HOST, Canary, CanarySet, Drill, Incident, Incidents, Kind, Status
from canaries.sealed.store import Change, changing, read_incidents
from canaries.services.planting import find_canary
from kernel.errors import Conflict
from kernel.http.response_headers import new_request_id
from keys.models import Key

_KINDS: Final = (Kind.KEY, Kind.CIPHERTEXT)  # that a request without a credential can touch
_CROWD: Final = 10  # keys with the same request
_LONGEST: Final = timedelta(minutes=10)

_random: Final = secrets.SystemRandom()


class BegunDrill(Struct, frozen=True, kw_only=True):
    """``requests``: the key that each request must name, by id of the request. ``last_id``: the newest entry before."""

    id: UUID
    canary: Canary
    requests: dict[str, str]
    last_id: int
    channels: dict[UUID, str]


class Stages(Struct, frozen=True, kw_only=True):
    """The stages that a drill has reached. ``delivered``: the channels that got the notice."""

    is_sequenced: bool
    is_found: bool
    delivered: frozenset[UUID]


def begin_drill(canary_id: UUID | None = None) -> BegunDrill:
    """``canary_id``: None for the key or ciphertext whose last drill is the oldest.

    Raises NotFound, Conflict if no canary is a key or if another drill runs, DocumentsAltered.
    """
    with changing(HOST) as change:
        drill = change.incidents.drill
        if drill is not None and change.at - drill.began_at < _LONGEST:
            raise Conflict("Another drill has begun within ten minutes. Wait for its end, then repeat this.")
        canary = _choose(change.set, change.incidents, canary_id)
        crowd = _crowd_of(change, canary)
        requests = {new_request_id(): key_id for key_id in _random.sample(crowd, len(crowd))}
        drill = Drill(id=uuid4(), canary_id=canary.id, began_at=change.at, requests=dict(requests))
        change.incidents.drill = drill
        change.note("drill.begun", drill=drill.id, canary=canary.id)
        channels = {channel.id: channel.label for channel in change.set.channels}
    last_id = AuditLog.objects.order_by("-id").values_list("id", flat=True).first() or 0  # noqa: CC2 - of the whole log
    return BegunDrill(id=drill.id, canary=canary, requests=requests, last_id=last_id, channels=channels)


def stages_of(begun: BegunDrill) -> Stages:
    """Raises DocumentsAltered."""
    incidents = read_incidents()
    incident = _incident_of(incidents, begun.id)
    waiting: set[UUID] = set()
    is_announced = incident is not None and incident.announced_at is not None
    if incident is not None and is_announced:
        for notice in incidents.notices:
            waiting.update(notice.waiting if notice.incident_id == incident.id else ())
    rows = AuditLog.objects.filter(id__gt=begun.last_id, object_id=begun.canary.object_id)  # noqa: CC2 - existence only
    return Stages(
        is_sequenced=incident is not None or rows.exists(),
        is_found=incident is not None,
        delivered=frozenset(begun.channels.keys() - waiting) if is_announced else frozenset(),
    )


def end_drill(begun: BegunDrill) -> None:
    """Close the incident of a drill that reached every stage. Raises DocumentsAltered."""
    with changing(HOST) as change:
        incidents = change.incidents
        if incidents.drill is not None and incidents.drill.id == begun.id:
            incidents.drill = None
        if incident := _incident_of(incidents, begun.id):
            incident.status, incident.reason = Status.CLOSED, "Drill"
            incidents.drilled_at.update(dict.fromkeys(incident.canary_ids, change.at))
        change.note("drill.ended", drill=begun.id, canary=begun.canary.id)


def _choose(canaries: CanarySet, incidents: Incidents, canary_id: UUID | None) -> Canary:
    if canary_id is not None:
        canary = find_canary(canaries.canaries, canary_id)
        if canary.kind in _KINDS:
            return canary
    found = [each for each in canaries.canaries if each.kind in _KINDS]
    if canary_id is not None or not found:
        raise Conflict("A drill needs a canary that is a key or a ciphertext. Plant one, then repeat this.")
    times = incidents.drilled_at
    return min(found, key=lambda each: (each.id in times, times.get(each.id, each.planted_at)))


def _crowd_of(change: Change, canary: Canary) -> list[str]:
    """Keys that get the same request in each drill, so that the log does not show which of them is the canary.

    They are drawn once. If each drill drew others, only the canary would repeat.
    """
    crowds = change.incidents.crowds
    if canary.id not in crowds:
        ids = Key.objects.exclude(pk=canary.object_id).values_list("pk", flat=True)  # noqa: CC2 - of all keys
        others = [str(key_id) for key_id in ids]
        crowds[canary.id] = [canary.object_id, *_random.sample(others, min(len(others), _CROWD - 1))]
    return crowds[canary.id]


def _incident_of(incidents: Incidents, drill_id: UUID) -> Incident | None:
    credential = f"{DRILL}{drill_id}"
    return next((each for each in incidents.incidents if each.credential == credential), None)
