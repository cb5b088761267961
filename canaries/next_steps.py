"""What officers should do after an incident, for its page and its notices."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from canaries.documents import Canary, Incident, Kind, Status

_CREDENTIALS: Final[Mapping[str, str]] = {
    "token": "Revoke the service token, and create another one for its client.",
    "user": "End all sessions of the user, and reset their password and second factor.",
    "service_account": "Rotate the client secret of the service account.",
    "host": "A command on the host did this. Ask the persons who have a shell there.",
    "unauthenticated": "Find out to whom the address belongs, and block it if it is not yours.",
}
_PLACES: Final[Mapping[Kind, str]] = {
    Kind.KEY: "Someone used an account that reaches this key. Rotate the keys that the credential used.",
    Kind.CIPHERTEXT: "Someone read the place of the ciphertext. Treat everything stored there as stolen.",
    Kind.TOKEN: "Someone read the place of the token. Replace all secrets stored there.",
    Kind.CLIENT: "Someone read the place of the client secret. Replace all secrets stored there.",
    Kind.USER: "Someone signs in with guessed or stolen passwords. Check the sign-ins from the same address.",
    Kind.OFFICE: "Someone changed the account of an officer. If this was expected, confirm the office.",
}


def next_steps(incident: Incident, canaries: Iterable[Canary]) -> Iterator[str]:
    """The steps after an incident, the most urgent one first. ``canaries``: the touched ones."""
    if incident.is_drill:
        yield "No action is necessary: a command on the host began a drill."
        return
    if incident.status is Status.NEW:
        yield "Acknowledge the incident, so that the other officers know that you work on it."
    yield _CREDENTIALS[incident.credential.partition(":")[0]]
    for kind in dict.fromkeys(canary.kind for canary in canaries):
        if not (kind is Kind.KEY and incident.is_unauthenticated):
            yield _PLACES[kind]
    whose = "from the address" if incident.is_unauthenticated else "of the credential"
    yield f"Read the last acts {whose}, and decide whether this is an attack or a false alarm."
