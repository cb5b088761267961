"""What a reader of the log may ask for: the filters, and pages by key.

An offset would read everything it skips and shift while entries arrive; a page that begins below an id does
neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Model, Q, QuerySet

EXACT_COUNT = 10_000  # counting further would scan the whole log for a number nobody reads
SEARCH_DEPTH = 100_000  # ids: no index helps a search for words, which reads what it looks through
SEARCHED = (
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "code",
    "request_id",
    "client_ip",
    "user_agent",
    "meta",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogCriteria:
    """What entries must agree with; an empty criterion asks nothing. ``since`` <= timestamp < ``until``.

    ``actor`` is a name or a user's id. Every word of ``search`` must occur somewhere in the entry's texts.
    """

    actor: str = ""
    actor_type: str = ""
    action: str = ""
    object_id: str = ""
    outcome: str = ""
    source: str = ""
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrailCriteria:
    """Like LogCriteria, for changed rows."""

    actor: str = ""
    table_name: str = ""
    record_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeysetPage[M: Model]:
    """Rows newest first. ``next_before`` and ``previous_before`` begin the older and the newer page.

    ``previous_before`` is None with ``has_previous`` where the newer page is the newest one. ``count`` tells
    the rows of all pages, and at most 10,000: ``count_is_exact`` says whether there are more.
    """

    rows: Sequence[M]
    count: int
    count_is_exact: bool
    next_before: int | None
    has_previous: bool
    previous_before: int | None


def page_before[M: Model](rows: QuerySet[M], *, before: int | None, limit: int) -> KeysetPage[M]:
    """The ``limit`` newest rows with an id below ``before``, or the newest of all."""
    ordered = rows.order_by("-id")
    window = list((ordered if before is None else ordered.filter(id__lt=before))[: limit + 1])
    newer = [] if before is None else list(_newer_ids(rows, before, limit))
    count = rows.order_by()[: EXACT_COUNT + 1].count()
    return KeysetPage(
        rows=window[:limit],
        count=min(count, EXACT_COUNT),
        count_is_exact=count <= EXACT_COUNT,
        next_before=window[limit - 1].pk if len(window) > limit else None,
        has_previous=bool(newer),
        previous_before=newer[limit] if len(newer) > limit else None,
    )


def _newer_ids[M: Model](rows: QuerySet[M], before: int, limit: int) -> QuerySet[M, int]:
    return rows.filter(id__gte=before).order_by("id").values_list("id", flat=True)[: limit + 1]


def is_actor(actor: str) -> Q:
    by_name = Q(actor_name=actor)
    try:
        return by_name | Q(user_id=UUID(actor))
    except ValueError:
        return by_name


def holds_word(word: str) -> Q:
    anywhere = Q()
    for name in SEARCHED:
        anywhere |= Q(**{f"{name}__icontains": word})
    return anywhere


def is_between(column: str, since: datetime | None, until: datetime | None) -> Q:
    between = Q()
    if since is not None:
        between &= Q(**{f"{column}__gte": since})
    if until is not None:
        between &= Q(**{f"{column}__lt": until})
    return between
