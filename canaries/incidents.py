"""Touches become incidents, and incidents become notices. Pure: the caller stores the documents."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from msgspec.structs import replace

from audit.log.action_labels import label_of
from audit.log.events import Outcome
from canaries.documents import (
    DRILL,
    Canary,
    Drill,
    Exemption,
    Expected,
    Incident,
    Incidents,
    Kind,
    Level,
    Notice,
    Status,
    Touch,
)
from canaries.next_steps import next_steps

_UPDATE_PERIOD: Final = timedelta(minutes=1)  # between two notices of an incident
_USES: Final = ("crypto.", "keys.key.exported")
_MOST_CLOSED: Final = 200  # incidents that stay in the document; the journal has all
_HOUR: Final = timedelta(hours=1)
LATE_DRILL: Final = "Drill: not in time"
TOUCHED: Final = "canary.touched"
_UPDATED: Final = "incident.updated"
_MOST_NAMES: Final = 5  # canaries that a notice names
_MOST_TEXT: Final = 200  # characters of a note or a user agent in a notice
_LEVELS: Final = list(Level)


def add_touch(incidents: Incidents, canary: Canary, touch: Touch) -> Incident:
    """The open incident of the credential, or a new one."""
    incident = next((each for each in incidents.incidents if _is_of(each, touch)), None)
    if incident is None:
        incident = Incident(
            id=uuid4(),
            credential=touch.credential,
            first=touch,
            canary_ids=[],
            level=Level.OBSERVE,
            last_at=touch.at,
        )
        if any(drill.is_over and touch.credential == _credential_of(drill) for drill in incidents.drills):
            incident.status, incident.reason = Status.CLOSED, LATE_DRILL
        incidents.incidents.append(incident)
        _forget_closed(incidents)
    if canary.id not in incident.canary_ids:
        incident.canary_ids.append(canary.id)
    # A wrong password proves no stolen secret: no notice of its own is necessary.
    level = Level.OBSERVE if touch.is_low else canary.level
    incident.level = max(incident.level, level, key=_LEVELS.index)
    if canary.level is Level.QUARANTINE and _proves_theft(canary, touch):
        incident.proved_at = touch.at
    incident.touches += touch.count
    incident.last_at = max(incident.last_at, touch.at)
    if not incident.is_drill:
        incidents.touched_at[canary.id] = incident.last_at
    return incident


def _proves_theft(canary: Canary, touch: Touch) -> bool:
    """Whether quarantine may end the credential: a key was used, or the credential is the canary itself.

    Anyone can make a request of another person be refused, by a link or a forged header of a ciphertext. And an
    administrator who removes an old object is no thief.
    """
    if canary.kind in (Kind.KEY, Kind.CIPHERTEXT):
        return touch.outcome == Outcome.OK and touch.action.startswith(_USES)
    if canary.kind is Kind.TOKEN:
        return touch.credential == f"token:{canary.object_id}"
    return touch.holder == canary.object_id and not touch.is_low


def match_drill(incidents: Incidents, canary: Canary, touch: Touch) -> Touch:
    """The touch, with the drill as its credential if a request of the drill made it.

    Each request matches once, and only its own object. Otherwise a reader of the log could repeat the id of a request,
    which the client chooses, and pass for the drill.
    """
    for drill in incidents.drills:
        if drill.requests.get(touch.request_id) == canary.object_id:
            del drill.requests[touch.request_id]
            return replace(touch, credential=_credential_of(drill))
    return touch


def _credential_of(drill: Drill) -> str:
    return f"{DRILL}{drill.id}"


def is_expected(incidents: Incidents, canary: Canary, touch: Touch) -> bool:
    """Whether an exemption covers the touch. It then counts it."""
    exemption = next((each for each in canary.exemptions if _covers(each, touch)), None)
    if exemption is None:
        return False
    use = f"{canary.id} {exemption.token_id} {exemption.operation}"
    counted = incidents.expected.get(use)
    if counted is None or touch.at - counted.since >= _HOUR:
        counted = incidents.expected[use] = Expected(since=touch.at)
    counted.uses += touch.count
    return counted.uses <= exemption.per_hour


def _covers(exemption: Exemption, touch: Touch) -> bool:
    return (
        touch.outcome == Outcome.OK
        and touch.credential == f"token:{exemption.token_id}"
        and touch.action == exemption.operation
        and exemption.client_ip in ("", touch.client_ip)
    )


def due(incidents: Incidents, now: datetime) -> list[Incident]:
    """The incidents with touches that no notice has announced: the first at once, then one notice a minute at most."""
    return [each for each in incidents.incidents if _is_due(each, now)]


def announce(incident: Incident, canaries: Mapping[UUID, Canary], now: datetime) -> Notice:
    """A notice of the touches so far."""
    is_first = incident.announced_at is None
    incident.announced_at, incident.announced_touches = now, incident.touches
    names = _names_of(incident, canaries)
    touched = [canaries[each] for each in incident.canary_ids if each in canaries]
    return Notice(
        id=uuid4(),
        at=now,
        topic=TOUCHED if is_first else _UPDATED,
        title=_title_of(incident, canaries, is_first=is_first),
        text=_text_of(incident, names, touched),
        facts=_facts_of(incident, names),
        key="" if is_first else f"incident {incident.id}",
        incident_id=incident.id,
    )


def _title_of(incident: Incident, canaries: Mapping[UUID, Canary], *, is_first: bool) -> str:
    canary = canaries.get(incident.first.canary_id)
    name = f"{canary.kind.replace('_', ' ')} {canary.name}" if canary else "a removed canary"
    what = f"Canary touched: {name}" if is_first else f"More touches of {name}: {incident.touches}"
    return f"Drill. {what}" if incident.is_drill else what


def _text_of(incident: Incident, names: list[str], touched: Iterable[Canary]) -> str:
    first = incident.first
    result = f"{first.outcome} ({first.code})" if first.code else first.outcome
    who = first.actor_name or "an unauthenticated client"
    where = f"{first.client_ip or 'an unknown address'} ({_short(first.user_agent) or 'no user agent'})"
    lines = [
        "This is a drill. A command on the server touched the canary." if incident.is_drill else "",
        f"Canary touched: {', '.join(names)}.",
        f"{label_of(first.action)}: {result}, by {who} from {where}.",
        f"First touch: {_time(first.at)}, entry {first.log_id}, request {first.request_id or 'none'}.",
        f"Touches so far: {incident.touches}, the last one on {_time(incident.last_at)}.",
        f"Incident: {incident.id}",
        "",
        "Next steps:",
        *(f"{number}. {step}" for number, step in enumerate(next_steps(incident, touched), 1)),
    ]
    return "\n".join(lines).lstrip()


def _facts_of(incident: Incident, names: list[str]) -> Mapping[str, Any]:
    first = incident.first
    return {
        "incident": str(incident.id),
        "is_drill": incident.is_drill,
        "level": incident.level.value,
        "canaries": names,
        "touches": incident.touches,
        "last_at": incident.last_at.isoformat(),
        "first": {
            "at": first.at.isoformat(),
            "entry": first.log_id,
            "action": first.action,
            "outcome": first.outcome,
            "code": first.code,
            "actor": first.actor_name,
            "credential": first.credential,
            "client_ip": first.client_ip,
            "user_agent": first.user_agent,
            "request_id": first.request_id,
        },
    }


def _names_of(incident: Incident, canaries: Mapping[UUID, Canary]) -> list[str]:
    """With a bound: one request can touch all canaries."""
    names = [_name_of(canary_id, canaries) for canary_id in incident.canary_ids[:_MOST_NAMES]]
    more = len(incident.canary_ids) - len(names)
    return [*names, f"{more} more"] if more else names


def _name_of(canary_id: UUID, canaries: Mapping[UUID, Canary]) -> str:
    canary = canaries.get(canary_id)
    if canary is None:
        return "a removed canary"
    note = _short(canary.note)
    return f"{canary.kind.replace('_', ' ')} {canary.name}" + (f" ({note})" if note else "")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _is_of(incident: Incident, touch: Touch) -> bool:
    """A drill has one incident, also if a request is found after its end."""
    return incident.credential == touch.credential and (incident.is_open or incident.is_drill)


def _is_due(incident: Incident, now: datetime) -> bool:
    if incident.level is Level.OBSERVE and not incident.is_drill:
        return False
    if not incident.is_open or incident.touches == incident.announced_touches:
        return False
    return incident.announced_at is None or now - incident.announced_at >= _UPDATE_PERIOD


def _forget_closed(incidents: Incidents) -> None:
    closed = [each for each in incidents.incidents if not each.is_open]
    for each in closed[: max(0, len(closed) - _MOST_CLOSED)]:
        incidents.incidents.remove(each)
