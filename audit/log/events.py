"""Events and actors, as values that every database accepts.

Values are cleaned and bounded on creation. Otherwise one NUL, one lone surrogate or one over-long text from a client
would abort the insert of a whole batch, and with it the responses of other users.
"""

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Protocol, Self
from uuid import UUID

from msgspec import Struct, structs

from audit.log import canonical
from audit.log.canonical import JsonValue
from kernel.http.addresses import canonical_address
from kernel.identities import Identity

# Characters per text column, for models and events.
TEXT_LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "actor_type": 20,
        "actor_name": 150,
        "auth_method": 32,
        "token_id": 100,
        "client_ip": 45,
        "user_agent": 400,
        "source": 20,
        "request_id": 64,
        "action": 64,
        "object_type": 32,
        "object_id": 100,
        "code": 64,
    }
)
# Characters of one text inside ``meta`` or a changed row. An ML-DSA-44 signature has 3,228 in base64.
VALUE_LIMIT = 4000
# Bytes of the whole canonical ``meta``. Escaped again as a text of its entry, it can double in size, and an entry of
# an export has at most 65,535 bytes (C2SP tlog-tiles).
META_LIMIT = 28 * 1024
TRAIL_DIGESTS = "trail_sha256"  # the member of ``meta`` that binds the changed rows to their event

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_CUT = "\u2026"


class ActorType(StrEnum):
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


class Source(StrEnum):
    """The interface that the actor used."""

    API = "api"
    CONSOLE = "console"
    ADMIN = "admin"
    COMMAND = "command"
    SCHEDULER = "scheduler"


class Outcome(StrEnum):
    """``denied``: refused by a permission, rule, state or limit. ``error``: the request was invalid or failed."""

    OK = "ok"
    DENIED = "denied"
    ERROR = "error"


class Actor(Struct, frozen=True, kw_only=True):
    """The actor and where it acted from. The name is copied, so that history outlives the account.

    ``actor_id`` is the id of a service account. Entries with it are of version 2.
    """

    user_id: UUID | None
    actor_id: UUID | None = None
    actor_type: str
    actor_name: str
    auth_method: str
    token_id: str
    client_ip: str
    user_agent: str
    source: Source
    request_id: str

    def __post_init__(self) -> None:
        structs.force_setattr(self, "client_ip", canonical_address(self.client_ip))
        _clean_texts(self)

    @property
    def identity(self) -> Identity | None:
        """The user, the service account or the system; None for an anonymous client."""
        if self.user_id is not None:
            return Identity.user(self.user_id)
        if self.actor_id is not None:
            return Identity.service_account(self.actor_id)
        return Identity.SYSTEM if self.actor_type == ActorType.SYSTEM else None

    def of_request(self, request_id: str) -> Self:
        """A copy with another request id. Only the id is cleaned again."""
        other = copy(self)
        structs.force_setattr(other, "request_id", clean_text(request_id, TEXT_LIMITS["request_id"]))
        return other

    @classmethod
    def system(cls, name: str, source: Source) -> Self:
        """The application itself, without a user."""
        nobody = cls.anonymous("", "", "", source, name)
        return structs.replace(nobody, actor_type=ActorType.SYSTEM)

    @classmethod
    def anonymous(
        cls, client_ip: str, user_agent: str, request_id: str, source: Source = Source.API, name: str = ""
    ) -> Self:
        """An unauthenticated client. ``name`` is only what the client claimed."""
        return cls(
            user_id=None,
            actor_type=ActorType.ANONYMOUS,
            actor_name=name,
            auth_method="",
            token_id="",
            client_ip=client_ip,
            user_agent=user_agent,
            source=source,
            request_id=request_id,
        )


class Event(Struct, frozen=True, kw_only=True):
    """An event that happened to one object ``count`` times.

    ``size`` is in bytes. ``meta`` has declared, non-secret values: texts, integers, booleans, ids, timestamps, and
    lists and mappings of them. ``meta_text`` is its canonical form, computed here. Raises TypeError for another type,
    and ValueError for a number out of range or a ``meta`` above 28 KiB. Both are bugs of the caller: an operation
    without its record must fail.
    """

    action: str
    object_type: str = ""
    object_id: str = ""
    object_version: int | None = None
    outcome: Outcome = Outcome.OK
    code: str = ""
    count: int = 1
    size: int | None = None
    meta: Mapping[str, object] = MappingProxyType({})
    meta_text: str = ""

    def __post_init__(self) -> None:
        _clean_texts(self)
        structs.force_setattr(self, "outcome", Outcome(self.outcome))
        meta = clean_mapping(self.meta)
        structs.force_setattr(self, "meta", MappingProxyType(meta))
        structs.force_setattr(self, "meta_text", canonical.encode(meta).decode())
        _check_numbers(self.object_version, self.count, self.size)
        if TRAIL_DIGESTS in self.meta:
            raise ValueError(f"{TRAIL_DIGESTS} is written by the recorder")
        if len(self.meta_text.encode()) > META_LIMIT:
            raise ValueError("meta is too large for an entry")


class Row(Protocol):
    """A row of a Django model, without its import."""

    _meta: ClassVar[Any]

    @property
    def pk(self) -> Any: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RowChange:
    """A row before and after a change: declared, non-secret fields only, None if there was or is no row."""

    table_name: str
    record_id: str
    action: Literal["insert", "update", "delete"]
    old_values: Mapping[str, object] | None = None
    new_values: Mapping[str, object] | None = None

    @classmethod
    def of_row(
        cls,
        row: Row,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> Self:
        """The change of ``row`` between two states. ``before`` is None if it is new, ``after`` if it is deleted."""
        table, record_id = row._meta.db_table, row.pk
        if after is None:
            return cls.deleted(table, record_id, before or {})
        if before is None:
            return cls.inserted(table, record_id, after)
        return cls.updated(table, record_id, before, after)

    @classmethod
    def inserted(cls, table_name: str, record_id: object, values: Mapping[str, object]) -> Self:
        return cls(table_name=table_name, record_id=str(record_id), action="insert", new_values=values)

    @classmethod
    def updated(
        cls, table_name: str, record_id: object, before: Mapping[str, object], after: Mapping[str, object]
    ) -> Self:
        """The fields that differ between two states of a row."""
        changed = [name for name in after if after[name] != before[name]]
        return cls(
            table_name=table_name,
            record_id=str(record_id),
            action="update",
            old_values={name: before[name] for name in changed},
            new_values={name: after[name] for name in changed},
        )

    @classmethod
    def deleted(cls, table_name: str, record_id: object, values: Mapping[str, object]) -> Self:
        return cls(table_name=table_name, record_id=str(record_id), action="delete", old_values=values)


def clean_text(text: str, limit: int) -> str:
    """Replace what PostgreSQL or UTF-8 cannot store, and truncate to ``limit`` characters."""
    cleaned = str(text)
    if not cleaned.isascii() or "\0" in cleaned:
        cleaned = _UNSTORABLE.sub(_REPLACEMENT, cleaned)
    return cleaned if len(cleaned) <= limit else cleaned[: limit - len(_CUT)] + _CUT


def clean_mapping(values: Mapping[str, object]) -> dict[str, JsonValue]:
    """Declared values in their canonical types, with each text cleaned and bounded. Raises TypeError."""
    return {clean_text(name, VALUE_LIMIT): _clean_value(value) for name, value in values.items()}


def _clean_value(value: object) -> JsonValue:
    match value:
        case None | bool() | int():
            return value
        case str():
            return clean_text(value, VALUE_LIMIT)
        case UUID():
            return str(value)
        case datetime():
            return canonical.format_timestamp(value)
        case Mapping():
            return clean_mapping(value)
        case list() | tuple():
            return [_clean_value(item) for item in value]
    raise TypeError(f"{type(value).__name__} does not belong into the log")


def _check_numbers(*numbers: int | None) -> None:
    for number in numbers:
        if number is not None and not 0 <= number <= canonical.MAX_INTEGER:
            raise ValueError(f"{number} is not a number an entry can hold")


def _clean_texts(record: Actor | Event) -> None:
    for name, limit in _LIMITED[type(record)]:
        text = getattr(record, name)
        if (cleaned := clean_text(text, limit)) != text:
            structs.force_setattr(record, name, cleaned)


_LIMITED: Mapping[type, list[tuple[str, int]]] = {
    kind: [(name, TEXT_LIMITS[name]) for name in kind.__struct_fields__ if name in TEXT_LIMITS]
    for kind in (Actor, Event)
}
