"""Reading the log: who may see what, the filters, and pages by key.

An offset would read everything it skips and shift while entries arrive; a page that begins below an id does
neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from audit.models import AuditLog, AuditTrail, Reader
from ciphercanary.errors import NotFound

EXACT_COUNT = 10_000  # counting further would scan the whole log for a number nobody reads
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


def find_logs(reader: Reader, criteria: LogCriteria) -> QuerySet[AuditLog]:
    """The entries the reader may see that meet the criteria. Raises Denied."""
    equal = {"action": criteria.action, "object_id": criteria.object_id}
    equal |= {"outcome": criteria.outcome, "source": criteria.source}
    found = AuditLog.objects.visible_to(reader).filter(
        **{name: value for name, value in equal.items() if value}
    )
    if criteria.actor:
        found = found.filter(_is_actor(criteria.actor))
    for word in criteria.search.split():
        found = found.filter(_holds_word(word))
    return found.filter(_is_between("timestamp", criteria.since, criteria.until))


def find_log(reader: Reader, log_id: int) -> AuditLog:
    """One entry. Raises Denied, and NotFound also for one that the reader may not see."""
    entry = AuditLog.objects.visible_to(reader).filter(id=log_id).first()
    if entry is None:
        raise NotFound
    return entry


def find_changes(reader: Reader, criteria: TrailCriteria) -> QuerySet[AuditTrail]:
    """The changed rows the reader may see that meet the criteria. Raises Denied."""
    equal = {"table_name": criteria.table_name, "record_id": criteria.record_id}
    found = AuditTrail.objects.visible_to(reader).filter(
        **{name: value for name, value in equal.items() if value}
    )
    if criteria.actor:
        # The trail knows ids only; the log remembers which names they went by.
        acts = AuditLog.objects.filter(_is_actor(criteria.actor), user_id__isnull=False)
        found = found.filter(changed_by__in=acts.order_by().values("user_id"))
    return found.filter(_is_between("changed_at", criteria.since, criteria.until))


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


def _is_actor(actor: str) -> Q:
    by_name = Q(actor_name=actor)
    try:
        return by_name | Q(user_id=UUID(actor))
    except ValueError:
        return by_name


def _holds_word(word: str) -> Q:
    anywhere = Q()
    for name in SEARCHED:
        anywhere |= Q(**{f"{name}__icontains": word})
    return anywhere


def _is_between(column: str, since: datetime | None, until: datetime | None) -> Q:
    between = Q()
    if since is not None:
        between &= Q(**{f"{column}__gte": since})
    if until is not None:
        between &= Q(**{f"{column}__lt": until})
    return between
