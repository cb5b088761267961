"""What officers should do after an incident, for its page and its notices."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from canaries.documents import Canary, Incident, Kind, Status, Touch

_CREDENTIALS: Final[Mapping[str, str]] = {
    "token": "Revoke the service token, and create another one for its client.",
    "user": "End all sessions of the user, and reset their password and second factor.",
    "service_account": "Rotate the client secret of the service account.",
    "host": "A command on the server did this. Ask the people who have shell access to the server.",
    "unauthenticated": "Find out to whom the address belongs, and block it if it is not yours.",
}
# Quarantine only signs the last administrator and the last officer out.
_AFTER_QUARANTINE: Final[Mapping[str, str]] = {
    "user": "CipherCanary has disabled or signed out the user. Reset their password and second factor.",
    "host": _CREDENTIALS["host"],
}
_PLANTED_CREDENTIALS: Final[Mapping[Kind, str]] = {
    Kind.TOKEN: "Revoke the token: nobody needs it. Plant another one.",
    Kind.CLIENT: "Disable the service account: nobody needs it. Plant another one.",
    Kind.USER: "Disable the user: nobody needs it. Plant another one.",
}
_PLACES: Final[Mapping[Kind, str]] = {
    Kind.KEY: "Someone used an account with access to this key. Rotate the keys that the credential used.",
    Kind.CIPHERTEXT: "Someone read the place where you put the ciphertext. Treat everything stored there as stolen.",
    Kind.TOKEN: "Someone read the place where you put the token. Replace all secrets stored there.",
    Kind.CLIENT: "Someone read the place where you put the client secret. Replace all secrets stored there.",
    Kind.USER: "Someone signs in with guessed or stolen passwords. Check the sign-ins from the same address.",
    Kind.OFFICE: "Someone changed the account of an officer. If this was expected, confirm the officer.",
}


def next_steps(incident: Incident, canaries: Iterable[Canary]) -> Iterator[str]:
    """The steps after an incident, in their order. ``canaries``: the touched ones."""
    touched = list(canaries)
    if incident.is_drill:
        yield "No action is necessary: a command on the server started a drill."
        return
    if incident.status is Status.NEW:
        yield "Acknowledge the incident, so that the other officers know that you work on it."
    if incident.status in (Status.NEW, Status.ACKNOWLEDGED):
        whose = "from the address" if incident.is_unauthenticated else "of the credential"
        yield f"Read the latest events {whose}. Decide whether this is an attack or a false alarm."
    if step := _credential_step(incident, touched):
        yield step
    for kind in dict.fromkeys(canary.kind for canary in touched):
        if not (kind is Kind.KEY and incident.is_unauthenticated):
            yield _PLACES[kind]


def _credential_step(incident: Incident, canaries: Iterable[Canary]) -> str:
    """What to do with the credential. "" if quarantine has ended it and nothing else is necessary."""
    own = next((each.kind for each in canaries if _is_credential(each, incident.first)), None)
    if own:
        return "" if incident.quarantined_at else _PLANTED_CREDENTIALS[own]
    kind = incident.credential.partition(":")[0]
    return _AFTER_QUARANTINE.get(kind, "") if incident.quarantined_at else _CREDENTIALS[kind]


def _is_credential(canary: Canary, touch: Touch) -> bool:
    """Whether the canary itself was used: the token, or the service account or user."""
    if canary.kind is Kind.TOKEN:
        return touch.credential == f"token:{canary.object_id}"
    return canary.kind in _PLANTED_CREDENTIALS and touch.holder == canary.object_id
