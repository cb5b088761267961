"""A drill: refused requests for a canary, which must reach every channel. The caller sends the requests."""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from msgspec import Struct

from audit.models import AuditLog
from canaries.documents import DRILL, HOST, Canary, CanarySet, Drill, Incident, Incidents, Kind, Status
from canaries.incidents import LATE_DRILL
from canaries.sealed.store import Change, changing, read_incidents
from kernel.errors import Conflict, NotFound
from kernel.http.response_headers import new_request_id
from keys.models import Key

_KINDS: Final = (Kind.KEY, Kind.CIPHERTEXT)  # that a request without a credential can touch
_CROWD: Final = 10  # keys with the same request
_LONGEST: Final = timedelta(minutes=10)
_MOST_ENDED: Final = 20  # drills whose requests may still be found

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


def begin_drill(reference: str = "") -> BegunDrill:
    """``reference``: the name or ID of the object, or the ID of the canary. Without it, the key or ciphertext whose last
    drill is the oldest.

    Raises NotFound, Conflict if no canary is a key or if another drill runs, DocumentsAltered.
    """
    with changing(HOST) as change:
        for drill in [each for each in change.incidents.drills if not each.is_over]:
            if change.at - drill.began_at < _LONGEST:
                raise Conflict("Another drill runs. Wait for its end, at most ten minutes, then repeat this.")
            _end(change, drill, LATE_DRILL)  # its command was killed
        canary = _choose(change.set, change.incidents, reference)
        crowd = _crowd_of(change, canary)
        requests = {new_request_id(): key_id for key_id in _random.sample(crowd, len(crowd))}
        drill = Drill(id=uuid4(), canary_id=canary.id, began_at=change.at, requests=dict(requests))
        change.incidents.drills.append(drill)
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


def end_drill(begun: BegunDrill, *, is_in_time: bool) -> None:
    """Close its incident, now or when the watcher finds a request. Raises DocumentsAltered.

    ``is_in_time``: every stage was reached.
    """
    with changing(HOST) as change:
        for drill in [each for each in change.incidents.drills if each.id == begun.id and not each.is_over]:
            _end(change, drill, "Drill" if is_in_time else LATE_DRILL)
            incident = _incident_of(change.incidents, begun.id)
            if incident and is_in_time:
                change.incidents.drilled_at.update(dict.fromkeys(incident.canary_ids, change.at))


def _end(change: Change, drill: Drill, reason: str) -> None:
    """Its requests still match. Otherwise those that are found later would be those of a stranger."""
    drill.is_over = True
    object_ids = {each.object_id for each in change.set.canaries}
    drill.requests = {each: named for each, named in drill.requests.items() if named in object_ids}
    kept = [each for each in change.incidents.drills if each.requests or not each.is_over]
    change.incidents.drills = kept[-_MOST_ENDED:]
    if incident := _incident_of(change.incidents, drill.id):
        incident.status, incident.reason = Status.CLOSED, reason
    change.note("drill.ended", drill=drill.id, canary=drill.canary_id)


def _choose(canaries: CanarySet, incidents: Incidents, reference: str) -> Canary:
    wanted = reference.removeprefix("name:").lower()
    named = [
        each
        for each in canaries.canaries
        if not wanted or wanted in (str(each.id), each.object_id, each.name.lower())
    ]
    if wanted and not named:
        raise NotFound("No canary has this name or ID.")
    found = [each for each in named if each.kind in _KINDS]
    if wanted and not found:
        raise Conflict("This canary cannot be drilled: only keys and ciphertexts can.")
    if not found:
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
