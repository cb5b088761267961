"""Filters of the key list as conditions on rows. What ``lifecycle`` says of one key, these say of all."""

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
    """What somebody looks through keys for."""

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
    """The keys whose ``lifecycle.standing`` has ``status`` at the moment ``now``."""
    if status in _DECIDED:
        return _DECIDED[status]
    begun = Q(state=State.ACTIVE) | Q(state=State.PRE_ACTIVATION, activates_at__lte=now)
    if status is Status.PENDING:
        return Q(state=State.PRE_ACTIVATION) & (Q(activates_at__gt=now) | Q(activates_at=None))
    if status is Status.EXPIRED:
        return begun & Q(expires_at__lte=now)
    return begun & (Q(expires_at__gt=now) | Q(expires_at=None))


def has_finding(finding: Finding, now: datetime) -> Q:
    """The keys that should have been rotated, that will expire soon, or that nobody has used for long."""
    if finding is Finding.OVERDUE:
        return has_status(Status.ACTIVE, now) & Q(next_rotation_at__lte=now)
    if finding is Finding.EXPIRING:
        return has_status(Status.ACTIVE, now) & Q(expires_at__lte=now + EXPIRING_WITHIN)
    since = now - UNUSED_FOR
    used = rows_used_since(since).filter(key_id=Spelled(OuterRef("id")))
    return Q(created_at__lte=since) & Q(~Exists(used))


class Spelled(Func):
    """A key's id as the log spells it. SQLite keeps it as 32 digits without hyphens."""

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
    """The form in which texts are compared without case.

    Python folds, never the database: SQLite knows the case of ASCII letters only.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def searched_text(name: str, description: str, tags: list[str]) -> str:
    """What a search looks through. No word holds a line break, so none matches across two fields."""
    return fold("\n".join([name, description, *tags]))


def contains_words(search: str) -> Q:
    """The keys that hold every word of ``search`` in their name, description or a tag; an id is a word, too."""
    condition = Q()
    for word in fold(search).split():
        key_id = id_spelt(word)
        condition &= Q(searched_text__contains=word) | (Q(id=key_id) if key_id else Q())
    return condition


def follows(column: str, value: object, row_id: UUID, *, descending: bool) -> Q:
    """The rows behind the one with that value and id, in the order that ``keys.services.reading`` gives: nulls last."""
    side = "lt" if descending else "gt"
    tied = Q(**{column: value}) if value is not None else Q(**{f"{column}__isnull": True})
    behind = tied & Q(**{f"id__{side}": row_id})
    if value is None:
        return behind
    return behind | Q(**{f"{column}__{side}": value}) | Q(**{f"{column}__isnull": True})
