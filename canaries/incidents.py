"""Touches become incidents, and incidents become notices. Pure: the caller stores the documents."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from audit.log.action_labels import label_of
from audit.log.events import Outcome
from canaries.documents import Canary, Exemption, Expected, Incident, Incidents, Level, Notice, Touch

UPDATE_PERIOD: Final = timedelta(minutes=1)  # between two notices of an incident
HEARTBEAT_PERIOD: Final = timedelta(days=1)
MOST_CLOSED: Final = 200  # incidents that stay in the document; the journal has all
_HOUR: Final = timedelta(hours=1)
TOUCHED: Final = "canary.touched"
UPDATED: Final = "incident.updated"
HEARTBEAT: Final = "heartbeat"
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
        incidents.incidents.append(incident)
        _forget_closed(incidents)
    if canary.id not in incident.canary_ids:
        incident.canary_ids.append(canary.id)
    # A wrong password proves no stolen secret: the daily notice is enough.
    level = Level.OBSERVE if touch.is_low else canary.level
    incident.level = max(incident.level, level, key=_LEVELS.index)
    incident.touches += touch.count
    incident.last_at = max(incident.last_at, touch.at)
    incidents.touched_at[canary.id] = incident.last_at
    return incident


def is_expected(incidents: Incidents, canary: Canary, touch: Touch) -> bool:
    """Whether an exemption covers the touch. It then counts it."""
    exemption = next((each for each in canary.exemptions if _covers(each, touch)), None)
    if exemption is None:
        return False
    counted = incidents.expected.get(canary.id)
    if counted is None or touch.at - counted.since >= _HOUR:
        counted = incidents.expected[canary.id] = Expected(since=touch.at)
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
    return Notice(
        id=uuid4(),
        at=now,
        topic=TOUCHED if is_first else UPDATED,
        text=_text_of(incident, canaries),
        incident_id=incident.id,
    )


def _text_of(incident: Incident, canaries: Mapping[UUID, Canary]) -> str:
    first = incident.first
    names = [_name_of(canary_id, canaries) for canary_id in incident.canary_ids]
    result = f"{first.outcome} ({first.code})" if first.code else first.outcome
    who = first.actor_name or "an unauthenticated client"
    where = f"{first.client_ip or 'an unknown address'} ({first.user_agent or 'no user agent'})"
    lines = [
        f"Canary touched: {', '.join(names)}.",
        f"{label_of(first.action)}: {result}, by {who} from {where}.",
        f"First touch {first.at.isoformat(timespec='seconds')}, entry {first.log_id}, request {first.request_id or 'none'}.",
        f"Touches so far: {incident.touches}. Incident {incident.id}.",
    ]
    return "\n".join(lines)


def _name_of(canary_id: UUID, canaries: Mapping[UUID, Canary]) -> str:
    canary = canaries.get(canary_id)
    if canary is None:
        return "a removed canary"
    return f"{canary.kind.replace('_', ' ')} {canary.name}" + (f" ({canary.note})" if canary.note else "")


def _is_of(incident: Incident, touch: Touch) -> bool:
    return incident.is_open and incident.credential == touch.credential


def _is_due(incident: Incident, now: datetime) -> bool:
    if incident.level is Level.OBSERVE or incident.touches == incident.announced_touches:
        return False
    return incident.announced_at is None or now - incident.announced_at >= UPDATE_PERIOD


def _forget_closed(incidents: Incidents) -> None:
    closed = [each for each in incidents.incidents if not each.is_open]
    for each in closed[: max(0, len(closed) - MOST_CLOSED)]:
        incidents.incidents.remove(each)
