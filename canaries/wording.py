"""Words of pages about canaries and incidents."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from canaries.documents import ChannelKind, Incident, Kind, Level, Status

KINDS: Final[Mapping[Kind, str]] = {
    Kind.KEY: "Key",
    Kind.CIPHERTEXT: "Ciphertext",
    Kind.TOKEN: "Service token",
    Kind.CLIENT: "Client ID and secret",
    Kind.USER: "User",
    Kind.OFFICE: "Officer",
}
LEVELS: Final[Mapping[Level, str]] = {
    Level.OBSERVE: "Observe: only count touches",
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
_CREDENTIALS: Final[Mapping[str, str]] = {
    "token": "Service token",
    "user": "User",
    "service_account": "Service account",
    "drill": "None: a drill",
    "host": "None: a command on the server",
    "unauthenticated": "None",
}


class _Planting(NamedTuple):
    """How to plant a kind. ``reference``: what names the object. ``create``: the name of the page that creates it."""

    reference: str
    create: str
    places: tuple[str, ...]
    paste: str
    rights: str = ""

    @property
    def warning(self) -> str:
        """Of an object that is a real credential."""
        works = "It works for anyone who finds it. Give it the fewest permissions"
        return f"{works}, such as {self.rights}, or choose the level Quarantine." if self.rights else ""


PLANTINGS: Final[Mapping[Kind, _Planting]] = {
    Kind.KEY: _Planting(
        "the key",
        "key-new",
        ("Leave it among the real keys, where a person who lists keys finds it.",),
        "You do not need to paste anything.",
    ),
    Kind.CIPHERTEXT: _Planting(
        "the key",
        "key-new",
        (
            "a configuration file",
            "a wiki page",
            "a file such as backup.cc",
            "a bucket or a column whose ciphertexts have different keys",
        ),
        "Encrypt a believable text with the key, and put the ciphertext into the place. Use the key for nothing else, "
        "and choose no place that a batch job reads. A ciphertext shows the ID of its key. Do not put it among ciphertexts "
        "that all use another key, because it stands out there.",
    ),
    Kind.TOKEN: _Planting(
        "the service token",
        "service-accounts-page",
        ("an .env file", "a CI variable", "a password manager", "the history of a shell"),
        "Paste this: CIPHERCANARY_TOKEN=cct_…",
        "a token of a service account without grants, with the scope keys.read",
    ),
    Kind.CLIENT: _Planting(
        "the service account",
        "service-accounts-page",
        ("a CI variable", "a configuration file", "a password manager"),
        "Paste this: CLIENT_ID=… and CLIENT_SECRET=…",
        "a service account without grants",
    ),
    Kind.USER: _Planting(
        "the user",
        "users",
        ("a password manager", "a hand-over document"),
        "Paste the username and the password.",
        "a user without grants",
    ),
}


def credential_words(incident: Incident) -> tuple[str, str]:
    """The kind of the credential, and its ID or ""."""
    kind, _, value = incident.credential.partition(":")
    return _CREDENTIALS[kind], value if kind in ("token", "user", "service_account") else ""
