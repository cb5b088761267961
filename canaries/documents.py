"""The contents of the sealed documents and of the journal: which objects are canaries, and what happened to them.

All of them are written as JSON by msgspec. A member that a later version adds needs a default.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, field

HOST: Final = "host"  # acts by a command on the host
# Credentials of touches that have no token and no account: a command on the host, a drill, and anyone else. Strangers
# choose their addresses, so all of them are one incident of each canary.
HOST_CREDENTIAL: Final = "host:"
DRILL: Final = "drill:"  # before the id of the drill
UNAUTHENTICATED: Final = "unauthenticated:"  # before the id of the canary


class Kind(StrEnum):
    """What was planted."""

    KEY = "key"
    CIPHERTEXT = "ciphertext"  # its key, which encrypts nothing else
    TOKEN = "service_token"  # noqa: S105 - the name of a kind
    CLIENT = "client_secret"  # a service account, whose id and secret were planted
    USER = "user"
    OFFICE = "office"  # never planted: the account of an officer, which is watched, too (``watched``)


class Level(StrEnum):
    """The response to a touch. ``QUARANTINE`` ends the credential that was used."""

    OBSERVE = "observe"
    ALERT = "alert"
    QUARANTINE = "quarantine"


class Status(StrEnum):
    """Of an incident: new → acknowledged → confirmed or a false alarm → closed."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    CLOSED = "closed"


class ChannelKind(StrEnum):
    EMAIL = "email"
    WEBHOOK = "webhook"
    SYSLOG = "syslog"


class Exemption(Struct, frozen=True, kw_only=True):
    """Use that is expected, such as that of a decoy client: successful operations with a service token.

    ``operation``: an action, such as ``crypto.message.encrypted``. ``client_ip``: "" for any address. More than
    ``per_hour`` uses of the canary are touches.
    """

    token_id: str
    operation: str
    client_ip: str = ""
    per_hour: int = 60


class Canary(Struct, frozen=True, kw_only=True):
    """``object_id``: of the key, service token, service account or user. ``note``: where it was planted."""

    id: UUID
    kind: Kind
    object_id: str
    name: str
    note: str
    level: Level = Level.ALERT
    planted_at: datetime
    planted_by: str
    exemptions: tuple[Exemption, ...] = ()


class Office(Struct, frozen=True, kw_only=True):
    """An officer: a local user who sees canaries and incidents, from ``effective_at`` on.

    ``revision``: of the user's row. A session sees nothing if the account changed since, until the watcher has found
    out who changed it. Otherwise a new password or second factor could be used before that.
    """

    user_id: UUID
    name: str
    appointed_at: datetime
    appointed_by: str
    effective_at: datetime
    revision: int = 0
    is_suspended: bool = False

    def is_active(self, now: datetime) -> bool:
        return not self.is_suspended and self.effective_at <= now


def active_officers(offices: Iterable[Office], now: datetime) -> frozenset[UUID]:
    """The ids of the users who are officers at this time."""
    return frozenset(office.user_id for office in offices if office.is_active(now))


class Channel(Struct, frozen=True, kw_only=True):
    """Where notices go. ``target``: an address, or a URL. ``secret``: of a webhook, base64."""

    id: UUID
    kind: ChannelKind
    target: str
    secret: str = ""
    added_at: datetime
    added_by: str

    @property
    def label(self) -> str:
        """For example "webhook https://hooks.example.org", without the path, which often contains a token."""
        if self.kind is ChannelKind.WEBHOOK:
            return f"webhook {'/'.join(self.target.split('/')[:3])}"
        return f"e-mail {self.target}" if self.kind is ChannelKind.EMAIL else f"syslog {self.target}"

    def __repr__(self) -> str:
        return f"<Channel {self.kind} {self.id}>"


class CanarySet(Struct, kw_only=True):
    canaries: list[Canary] = field(default_factory=list)
    offices: list[Office] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)


def watched(everything: CanarySet) -> list[Canary]:
    """The canaries, and the offices in the form of canaries."""
    return everything.canaries + [_office_as_canary(office) for office in everything.offices]


def _office_as_canary(office: Office) -> Canary:
    return Canary(
        id=office.user_id,
        kind=Kind.OFFICE,
        object_id=str(office.user_id),
        name=office.name,
        note="suspended until the host or another officer confirms it",
        planted_at=office.appointed_at,
        planted_by=office.appointed_by,
    )


class Touch(Struct, frozen=True, kw_only=True):
    """An entry of the log about a canary."""

    canary_id: UUID
    log_id: int
    at: datetime
    action: str
    outcome: str
    code: str
    count: int
    credential: str
    actor_name: str
    auth_method: str
    client_ip: str
    user_agent: str
    source: str
    request_id: str
    holder: str = ""  # the id of the user or service account that the credential belongs to
    is_low: bool = False  # such as a wrong password


class Incident(Struct, kw_only=True):
    """The touches of one credential until a person closes it. ``first``: the first touch.

    ``proved_at``: the last touch of a canary with the level ``QUARANTINE`` that shows a theft.
    """

    id: UUID
    credential: str
    first: Touch
    canary_ids: list[UUID]
    level: Level
    status: Status = Status.NEW
    reason: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None
    touches: int = 0
    last_at: datetime
    announced_at: datetime | None = None
    announced_touches: int = 0
    proved_at: datetime | None = None
    quarantined_at: datetime | None = None
    quarantine_failed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status not in (Status.CLOSED, Status.FALSE_ALARM)

    @property
    def is_unauthenticated(self) -> bool:
        return self.credential.startswith(UNAUTHENTICATED)

    @property
    def is_drill(self) -> bool:
        return self.credential.startswith(DRILL)


class Notice(Struct, kw_only=True):
    """A message to channels. ``waiting``: those that have not got it yet. ``incident_id``: None if it is about none.

    ``key``: a newer notice with the same key replaces it while it waits. ``facts``: the text for programs.
    """

    id: UUID
    at: datetime
    topic: str
    title: str = ""
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    incident_id: UUID | None = None
    waiting: list[UUID] = field(default_factory=list)


class ChannelState(Struct, kw_only=True):
    """The deliveries of a channel. ``failures``: in a row. ``error``: of the last one, a fixed word.

    ``is_failing``: the other channels have a notice about it. A worker sends something until ``lease_until``.
    """

    failures: int = 0
    error: str = ""
    is_failing: bool = False
    next_at: datetime | None = None
    delivered_at: datetime | None = None
    lease_holder: UUID | None = None
    lease_until: datetime | None = None


class Drill(Struct, kw_only=True):
    """``requests``: the object that each request names, by id of the request, unless the watcher has found it."""

    id: UUID
    canary_id: UUID
    began_at: datetime
    requests: dict[str, str]
    is_over: bool = False


class Expected(Struct, kw_only=True):
    """The number of uses that an exemption of a canary covered in the hour from ``since`` on."""

    since: datetime
    uses: int = 0


class Incidents(Struct, kw_only=True):
    """``touched_at``, ``drilled_at``: the last time by canary. ``expected``: the uses that each exemption covered in the
    current hour. ``anchored_at``: the last hourly entry of the journal. ``leaving``: removed channels that still get
    the notices of before, and that of the removal.

    ``is_late``: the channels have a notice that the log is late. ``drills``: the one under way, and those whose
    requests may still be found. ``crowds``: the keys of all drills of a canary.
    """

    incidents: list[Incident] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    channel_states: dict[UUID, ChannelState] = field(default_factory=dict)
    leaving: list[Channel] = field(default_factory=list)
    touched_at: dict[UUID, datetime] = field(default_factory=dict)
    expected: dict[str, Expected] = field(default_factory=dict)
    drilled_at: dict[UUID, datetime] = field(default_factory=dict)
    anchored_at: datetime | None = None
    heartbeat_at: datetime | None = None
    is_late: bool = False
    drills: list[Drill] = field(default_factory=list)
    crowds: dict[UUID, list[str]] = field(default_factory=dict)


class Record(Struct, frozen=True, kw_only=True):
    """What happened: a word and its facts."""

    at: datetime
    word: str
    facts: Mapping[str, Any]


class Page(Struct, frozen=True, kw_only=True):
    """``previous``: the digest of the page before (``journal.digest_after``). ``documents``: those of the sealed
    documents after it. ``position``: the entry up to which the log was watched.
    """

    number: int
    previous: str
    documents: Mapping[str, str]
    position: int = 0
    records: tuple[Record, ...]
