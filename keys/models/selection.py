"""Filters of the key list as query conditions. They match ``lifecycle``, which evaluates one key."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.db.models.expressions import OrderBy

from audit.browse.selection import parse_id
from audit.log.raw_rows import IdOf, Spelled
from audit.usage.queries import rows_denied, rows_denied_since, rows_used_since
from keys.lifecycle import State, Status

EXPIRING_WITHIN: Final = timedelta(days=30)
UNUSED_FOR: Final = timedelta(days=90)
DENIED_WITHIN: Final = timedelta(hours=1)
DELETION_AHEAD: Final = timedelta(hours=72)
# The database counts keys by these columns without their rows, those of one owner or all.
FIGURE_COLUMNS: Final = (
    "created_by",
    "state",
    "activates_at",
    "expires_at",
    "resumes_at",
    "next_rotation_at",
    "deletion_at",
    "id",
)


class Finding(StrEnum):
    """Findings by which the key list can be filtered."""

    DENIED = "denied"
    OVERDUE = "overdue"
    EXPIRING = "expiring"
    UNUSED = "unused"
    DELETION_AHEAD = "deletion_ahead"
    DELETION_DENIED = "deletion_denied"


_DECIDED: Final[Mapping[Status, Q]] = MappingProxyType(
    {
        Status.REVOKED: Q(state__in=[State.DEACTIVATED, State.COMPROMISED]),
        Status.SCHEDULED: Q(state=State.DELETION_SCHEDULED),
        Status.DESTROYED: Q(state=State.DESTROYED),
    }
)


def has_status(status: Status, now: datetime) -> Q:
    """The keys whose ``lifecycle.lifecycle_state`` has ``status`` at ``now``."""
    if status in _DECIDED:
        return _DECIDED[status]
    if status is Status.DISABLED:
        return Q(state=State.SUSPENDED) & (Q(resumes_at__gt=now) | Q(resumes_at=None))
    begun = (
        Q(state=State.ACTIVE)
        | Q(state=State.PRE_ACTIVATION, activates_at__lte=now)
        | Q(state=State.SUSPENDED, resumes_at__lte=now)
    )
    if status is Status.PENDING:
        return Q(state=State.PRE_ACTIVATION) & (Q(activates_at__gt=now) | Q(activates_at=None))
    if status is Status.EXPIRED:
        return begun & Q(expires_at__lte=now)
    return begun & (Q(expires_at__gt=now) | Q(expires_at=None))


def has_finding(finding: Finding, now: datetime) -> Q:
    """The keys with this finding. Those scheduled for deletion have findings of their own."""
    if finding is Finding.DENIED:
        ids = rows_denied_since(now - DENIED_WITHIN).values(found=IdOf("key_id"))
        return ~has_status(Status.ACTIVE, now) & ~_DECIDED[Status.SCHEDULED] & Q(pk__in=ids)
    if finding is Finding.DELETION_AHEAD:
        return _DECIDED[Status.SCHEDULED] & Q(deletion_at__lte=now + DELETION_AHEAD)
    if finding is Finding.DELETION_DENIED:
        denied = rows_denied().filter(
            key_id=Spelled(OuterRef("id")), last_at__gte=OuterRef("deletion_scheduled_at")
        )
        return _DECIDED[Status.SCHEDULED] & Q(Exists(denied))
    if finding is Finding.OVERDUE:
        return has_status(Status.ACTIVE, now) & Q(next_rotation_at__lte=now)
    if finding is Finding.EXPIRING:
        return has_status(Status.ACTIVE, now) & Q(expires_at__lte=now + EXPIRING_WITHIN)
    since = now - UNUSED_FOR
    used = rows_used_since(since).filter(key_id=Spelled(OuterRef("id")))
    return Q(created_at__lte=since) & Q(~Exists(used))


def fold(text: str) -> str:
    """Normalize a text for case-insensitive comparison.

    Python does this, not the database, because SQLite only folds the case of ASCII letters.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def searched_text(name: str, description: str, tags: list[str], transit: str) -> str:
    """The text that searches match. A search word contains no line break, so it never matches across two fields.

    ``transit``: the mount and name of a transit key, otherwise "".
    """
    return fold("\n".join([name, description, *tags, *filter(None, [transit])]))


def contains_words(search: str) -> Q:
    """The keys that have every word of ``search`` in their name, description or a tag, or as their ID."""
    condition = Q()
    for word in fold(search).split():
        key_id = parse_id(word)
        condition &= Q(searched_text__contains=word) | (Q(id=key_id) if key_id else Q())
    return condition


def in_order(ordering: str, *, has_nulls: bool) -> tuple[OrderBy, OrderBy]:
    """Sort by a column, descending after ``-``, without ties: the ID breaks them. Nulls go last on both databases.

    Otherwise pages would repeat or skip keys. For a column without nulls, NULLS LAST would keep PostgreSQL from
    scanning the index backwards.
    """
    column, nulls_last = F(ordering.removeprefix("-")), has_nulls or None
    if ordering.startswith("-"):
        return column.desc(nulls_last=nulls_last), F("id").desc()
    return column.asc(nulls_last=nulls_last), F("id").asc()


def window_after[M: Model](
    found: QuerySet[M], ordering: str, *, after: UUID | None, among: QuerySet[M], limit: int
) -> tuple[list[M], UUID | None]:
    """The first ``limit`` rows of ``found``, which are in this order, after the one with the ID ``after``; and the ID that
    starts the next window, None at the end. Nothing is counted.

    If that row is not ``among`` the visible ones, the window starts at the beginning.
    """
    last = among.filter(pk__in=[after] if after else [])
    if known := last.values_list(ordering.removeprefix("-"), "id").first():
        found = found.filter(_follows(ordering, *known))
    window = list(found[: limit + 1])
    return window[:limit], window[limit - 1].pk if len(window) > limit else None


def _follows(ordering: str, value: object, row_id: UUID) -> Q:
    """The rows after the one with this value in the column and this ID, ``in_order``."""
    column, side = ordering.removeprefix("-"), "lt" if ordering.startswith("-") else "gt"
    tied = Q(**{column: value}) if value is not None else Q(**{f"{column}__isnull": True})
    behind = tied & Q(**{f"id__{side}": row_id})
    if value is None:
        return behind
    return behind | Q(**{f"{column}__{side}": value}) | Q(**{f"{column}__isnull": True})
