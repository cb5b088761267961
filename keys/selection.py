"""Filters of the key list as query conditions. They match ``lifecycle``, which evaluates one key."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Exists, Func, OuterRef, Q
from django.db.models.sql.compiler import SQLCompiler

from audit.browse.selection import id_spelt
from audit.usage.queries import rows_used_since
from keys.lifecycle import State, Status

EXPIRING_WITHIN: Final = timedelta(days=30)
UNUSED_FOR: Final = timedelta(days=90)


class Finding(StrEnum):
    """Findings by which the key list can be filtered."""

    OVERDUE = "overdue"
    EXPIRING = "expiring"
    UNUSED = "unused"


_DECIDED: Final[Mapping[Status, Q]] = MappingProxyType(
    {
        Status.REVOKED: Q(state__in=[State.DEACTIVATED, State.COMPROMISED]),
        Status.DISABLED: Q(state=State.SUSPENDED),
        Status.SCHEDULED: Q(state=State.DELETION_SCHEDULED),
        Status.DESTROYED: Q(state=State.DESTROYED),
    }
)


def has_status(status: Status, now: datetime) -> Q:
    """The keys whose ``lifecycle.standing`` has ``status`` at ``now``."""
    if status in _DECIDED:
        return _DECIDED[status]
    begun = Q(state=State.ACTIVE) | Q(state=State.PRE_ACTIVATION, activates_at__lte=now)
    if status is Status.PENDING:
        return Q(state=State.PRE_ACTIVATION) & (Q(activates_at__gt=now) | Q(activates_at=None))
    if status is Status.EXPIRED:
        return begun & Q(expires_at__lte=now)
    return begun & (Q(expires_at__gt=now) | Q(expires_at=None))


def has_finding(finding: Finding, now: datetime) -> Q:
    """The keys that are overdue for rotation, will expire soon, or have been unused for a long time."""
    if finding is Finding.OVERDUE:
        return has_status(Status.ACTIVE, now) & Q(next_rotation_at__lte=now)
    if finding is Finding.EXPIRING:
        return has_status(Status.ACTIVE, now) & Q(expires_at__lte=now + EXPIRING_WITHIN)
    since = now - UNUSED_FOR
    used = rows_used_since(since).filter(key_id=Spelled(OuterRef("id")))
    return Q(created_at__lte=since) & Q(~Exists(used))


class Spelled(Func):
    """A key's ID in the audit log's format. SQLite stores UUIDs as 32 hexadecimal digits without hyphens."""

    template = "CAST(%(expressions)s AS varchar)"
    output_field = CharField()
    arity = 1

    def as_sqlite(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,  # noqa: ARG002 - Django's signature
        **extra_context: Any,  # noqa: ARG002 - Django's signature
    ) -> tuple[str, tuple[str | int, ...]]:
        digits, parameters = compiler.compile(self.source_expressions[0])
        groups = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        spelled = " || '-' || ".join(f"substr({digits}, {start}, {length})" for start, length in groups)
        return f"({spelled})", (*parameters,) * len(groups)


def fold(text: str) -> str:
    """Normalize a text for case-insensitive comparison.

    Python does this, not the database, because SQLite only folds the case of ASCII letters.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def searched_text(name: str, description: str, tags: list[str]) -> str:
    """The text that searches match. A search word contains no line break, so it never matches across two fields."""
    return fold("\n".join([name, description, *tags]))


def contains_words(search: str) -> Q:
    """The keys that have every word of ``search`` in their name, description or a tag, or as their ID."""
    condition = Q()
    for word in fold(search).split():
        key_id = id_spelt(word)
        condition &= Q(searched_text__contains=word) | (Q(id=key_id) if key_id else Q())
    return condition


def follows(column: str, value: object, row_id: UUID, *, descending: bool) -> Q:
    """The rows after the given value and ID, in the order of ``keys.services.reading``: nulls last."""
    side = "lt" if descending else "gt"
    tied = Q(**{column: value}) if value is not None else Q(**{f"{column}__isnull": True})
    behind = tied & Q(**{f"id__{side}": row_id})
    if value is None:
        return behind
    return behind | Q(**{f"{column}__{side}": value}) | Q(**{f"{column}__isnull": True})
