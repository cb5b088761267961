"""Words of pages about canaries and incidents."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from canaries.documents import Canary, ChannelKind, Incident, Kind, Level, Status

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
CHANNELS: Final[Mapping[ChannelKind, str]] = {
    ChannelKind.EMAIL: "E-mail",
    ChannelKind.WEBHOOK: "Webhook",
    ChannelKind.SYSLOG: "Syslog",
}
_CREDENTIALS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("Revoke the service token, and create another one for its client.",),
    "user": ("End all sessions of the user, and reset their password and second factor.",),
    "service_account": ("Rotate the client secret of the service account.",),
    "drill": ("No action is necessary: a command on the host began a drill.",),
    "host": ("A command on the host did this. Ask the persons who have a shell there.",),
    "unauthenticated": ("Find out to whom the address belongs, and block it if it is not yours.",),
}
_PLACES: Final[Mapping[Kind, str]] = {
    Kind.KEY: "Someone used an account that reaches this key. Rotate the keys that the credential used.",
    Kind.CIPHERTEXT: "Someone read the place of the ciphertext. Treat everything stored there as stolen.",
    Kind.TOKEN: "Someone read the place of the token. Replace all secrets stored there.",
    Kind.CLIENT: "Someone read the place of the client secret. Replace all secrets stored there.",
    Kind.USER: "Someone signs in with guessed or stolen passwords. Check the sign-ins from the same address.",
    Kind.OFFICE: "Someone changed the account of an officer. If this was expected, confirm the office.",
}


class _Planting(NamedTuple):
    """How to plant a kind. ``create``: the name of the page that creates the object."""

    create: str
    places: tuple[str, ...]
    paste: str


PLANTINGS: Final[Mapping[Kind, _Planting]] = {
    Kind.KEY: _Planting(
        "key-new",
        ("Leave it among the real keys, where a person who lists keys finds it.",),
        "Nothing is pasted anywhere.",
    ),
    Kind.CIPHERTEXT: _Planting(
        "key-new",
        (
            "a configuration file",
            "a wiki page",
            "a file such as backup.cc",
            "a bucket or a column whose ciphertexts have different keys",
        ),
        "Encrypt a believable text with the key, and put the ciphertext into the place. Use the key for nothing else, "
        "and no place that a batch job reads. A ciphertext shows the ID of its key: among those of one key, it would "
        "stand out.",
    ),
    Kind.TOKEN: _Planting(
        "account-tokens",
        ("an .env file", "a CI variable", "a password manager", "the history of a shell"),
        "CIPHERCANARY_TOKEN=cct_…",
    ),
    Kind.CLIENT: _Planting(
        "service-accounts-page",
        ("a CI variable", "a configuration file", "a password manager"),
        "CLIENT_ID=… and CLIENT_SECRET=…",
    ),
    Kind.USER: _Planting(
        "users",
        ("a password manager", "a hand-over document"),
        "The user name and the password.",
    ),
}


def next_steps(incident: Incident, canaries: Iterable[Canary]) -> Iterator[str]:
    """The steps after an incident, the most urgent one first."""
    yield from _CREDENTIALS[incident.credential.partition(":")[0]]
    for kind in dict.fromkeys(canary.kind for canary in canaries):
        yield _PLACES[kind]
    yield "Read the last acts of the credential below, and decide whether this is an attack or a false alarm."
