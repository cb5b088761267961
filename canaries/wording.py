"""Words of pages about canaries and incidents."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from canaries.documents import Canary, Incident, Kind, Level, Status

KINDS: Final[Mapping[Kind, str]] = {
    Kind.KEY: "Key",
    Kind.CIPHERTEXT: "Ciphertext",
    Kind.TOKEN: "Service token",
    Kind.CLIENT: "Client ID and secret",
    Kind.USER: "User",
    Kind.OFFICE: "Office",
}
LEVELS: Final[Mapping[Level, str]] = {
    Level.OBSERVE: "Observe: count touches only",
    Level.ALERT: "Alert: notify officers",
    Level.QUARANTINE: "Quarantine: notify officers, and end the credential",
}
STATUSES: Final[Mapping[Status, str]] = {
    Status.NEW: "New",
    Status.ACKNOWLEDGED: "Acknowledged",
    Status.CONFIRMED: "Confirmed",
    Status.FALSE_ALARM: "False alarm",
    Status.CLOSED: "Closed",
}
_CREDENTIALS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("Revoke the service token, and create another one for its client.",),
    "identity": (
        "End all sessions of the user, and reset their password and second factor.",
        "If it is a service account, rotate its client secret.",
    ),
    "host": ("A command on the host did this. Ask the persons who have a shell there.",),
    "address": ("Find out to whom the address belongs, and block it if it is not yours.",),
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
    """The steps after an incident, the most urgent one first."""
    kind, _, value = incident.credential.partition(":")
    yield from _CREDENTIALS[kind if value else "host"]
    for kind in dict.fromkeys(canary.kind for canary in canaries):
        yield _PLACES[kind]
    yield "Read the last acts of the credential below, and decide whether this is an attack or a false alarm."
