"""Publish conditions that depend on time: rotations and expiries ahead, overdue rotations, deletions, denied uses.

A scan reads the keys of each condition, and then, in batches, which of their notifications exist. Each key is in the most
urgent step only: a key that expires in five days gets no notification about thirty. Many keys of one step get one
notification a day together, so that a user who creates many keys floods no target.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from accounts.principals import Principal
from audit.log.events import Source
from audit.log.raw_rows import Spelled
from audit.usage.queries import rows_denied_since
from audit.usage.sums import DAY
from kernel.clock import database_now
from kernel.outbox.models import Notification
from kernel.outbox.publishing import Announcement, publish_all
from kernel.outbox.topics import Topic
from keys.lifecycle import State, Status
from keys.models import Key
from keys.models.selection import DENIED_WITHIN, has_status
from notifications.topics import DELETION_AHEAD, DELETION_DENIED_USE, EXPIRING, ROTATION_DUE, ROTATION_OVERDUE

AT_ONCE: Final = 1_000
MOST_OF_STEP: Final = 100
_DAYS_AHEAD: Final = {"1 day": DAY, "7 days": 7 * DAY, "30 days": 30 * DAY}
_DELETION_STEPS: Final = {"24 hours": DAY, "72 hours": 3 * DAY, "7 days": 7 * DAY}
# Where the key list shows the keys of a topic.
LISTS: Final = {
    ROTATION_DUE: "status=active&ordering=next_rotation_at",
    ROTATION_OVERDUE: "finding=overdue",
    EXPIRING: "finding=expiring",
    DELETION_AHEAD: "status=scheduled",
    DELETION_DENIED_USE: "finding=deletion_denied",
}
_PRINCIPAL: Final = Principal.system("key watch", Source.SCHEDULER)


@dataclass(frozen=True, slots=True)
class _Step:
    """The keys whose ``column`` is after ``after`` and not after ``until``. ``within`` is part of the text."""

    topic: Topic
    column: str
    within: str
    after: datetime | None
    until: datetime

    def keys(self, found: QuerySet[Key]) -> QuerySet[Key]:
        if self.after is not None:
            found = found.filter(**{f"{self.column}__gt": self.after})
        return found.filter(**{f"{self.column}__lte": self.until})


def watch_keys() -> None:
    """One scan. Several workers may run it at the same time: each notification is stored once."""
    now = database_now()
    active = Key.objects.visible_to(_PRINCIPAL).filter(has_status(Status.ACTIVE, now))
    for step in _steps_of_active_keys(now):
        _publish(step, step.keys(active), now)
    deleted = Key.objects.visible_to(_PRINCIPAL).filter(state=State.DELETION_SCHEDULED)
    for step in _steps(DELETION_AHEAD, "deletion_at", _DELETION_STEPS, now):
        _publish(step, step.keys(deleted), now)
    _publish_denials(deleted, now)


def _steps_of_active_keys(now: datetime) -> Iterator[_Step]:
    yield _Step(ROTATION_OVERDUE, "next_rotation_at", "overdue", None, now)
    yield from _steps(ROTATION_DUE, "next_rotation_at", _DAYS_AHEAD, now)
    yield from _steps(EXPIRING, "expires_at", _DAYS_AHEAD, now)


def _steps(topic: Topic, column: str, ahead: dict[str, timedelta], now: datetime) -> Iterator[_Step]:
    after = now
    for within, span in ahead.items():
        yield _Step(topic, column, within, after, now + span)
        after = now + span


def _publish(step: _Step, found: QuerySet[Key], now: datetime) -> None:
    # Read at once, because SQLite cannot write while a statement of the same connection still reads.
    rows = list(found.order_by(step.column).values_list("id", "name", step.column))
    _publish_new((_announcement(step, *row) for row in rows), step.topic, step.within, now)


def _announcement(step: _Step, key_id: object, name: str, at: datetime) -> Announcement:
    """A change of the time makes another notification."""
    return Announcement(
        topic=step.topic.word,
        dedup_key=f"{step.topic.word}:{key_id}:{at:%Y-%m-%dT%H:%M:%S}:{step.within}",
        object_type="key",
        object_id=str(key_id),
        object_name=name,
        facts={"at": f"{at:%Y-%m-%d %H:%MZ}", "within": step.within},
    )


def _publish_denials(deleted: QuerySet[Key], now: datetime) -> None:
    """One notification a day for each key. Denials before its deletion was scheduled do not count.

    ``DENIED_WITHIN`` is longer than the pause between two scans, so none is missed.
    """
    denied = rows_denied_since(now - DENIED_WITHIN).filter(
        key_id=Spelled(OuterRef("id")), last_at__gte=OuterRef("deletion_scheduled_at")
    )
    rows = list(deleted.filter(Exists(denied)).order_by("id").values_list("id", "name"))
    _publish_new((_denial(key_id, name, now) for key_id, name in rows), DELETION_DENIED_USE, "", now)


def _denial(key_id: object, name: str, now: datetime) -> Announcement:
    return Announcement(
        topic=DELETION_DENIED_USE.word,
        dedup_key=f"{DELETION_DENIED_USE.word}:{key_id}:{now:%Y-%m-%d}",
        object_type="key",
        object_id=str(key_id),
        object_name=name,
    )


def _publish_new(found: Iterable[Announcement], topic: Topic, within: str, now: datetime) -> None:
    """Those that do not exist yet; one summary instead of more than ``MOST_OF_STEP``."""
    new: list[Announcement] = []
    count = 0
    for some in batched(found, AT_ONCE):
        unknown = _without_known(some)
        count += len(unknown)
        new += unknown[: MOST_OF_STEP - len(new)]
    if count > MOST_OF_STEP:
        new = _without_known([_summary(topic, within, count, now)])
    if new:
        publish_all(new)


def _without_known(some: Sequence[Announcement]) -> list[Announcement]:
    """A read first: on SQLite, an insert that changes nothing would still wait for the only writer."""
    keys = [each.dedup_key for each in some]
    known = set(Notification.objects.filter(dedup_key__in=keys).values_list("dedup_key", flat=True))
    return [each for each in some if each.dedup_key not in known]


def _summary(topic: Topic, within: str, count: int, now: datetime) -> Announcement:
    """One a day. The keys that still have no notification of their own on the next day are counted again."""
    return Announcement(
        topic=topic.word,
        dedup_key=f"{topic.word}:many:{now:%Y-%m-%d}:{within}",
        facts={"count": count, "within": within, "list": f"{settings.CC_PUBLIC_URL}/keys/?{LISTS[topic]}"},
    )
