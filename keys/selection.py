"""Filters of the key list as conditions on rows. What ``lifecycle`` says of one key, these say of all."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.db.models import Q

from keys.lifecycle import State, Status

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


def fold(text: str) -> str:
    """The form in which texts are compared without case.

    Python folds, never the database: SQLite knows the case of ASCII letters only.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def searched_text(name: str, description: str, tags: list[str]) -> str:
    """What a search looks through. No word holds a line break, so none matches across two fields."""
    return fold("\n".join([name, description, *tags]))


def contains_words(search: str) -> Q:
    """The keys that hold every word of ``search`` in their name, description or a tag."""
    condition = Q()
    for word in fold(search).split():
        condition &= Q(searched_text__contains=word)
    return condition


def follows(column: str, value: object, row_id: UUID, *, descending: bool) -> Q:
    """The rows behind the one with that value and id, in the order that ``keys.services.reading`` gives: nulls last."""
    side = "lt" if descending else "gt"
    tied = Q(**{column: value}) if value is not None else Q(**{f"{column}__isnull": True})
    behind = tied & Q(**{f"id__{side}": row_id})
    if value is None:
        return behind
    return behind | Q(**{f"{column}__{side}": value}) | Q(**{f"{column}__isnull": True})
