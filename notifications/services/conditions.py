"""Publish conditions that depend on time, each once, for any number of objects.

A scan reads the objects of each condition, and then, in batches, which of their notifications exist. Many objects of one
topic get one notification a day together, so that a user who creates many of them floods no target.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet

from kernel.outbox.models import Notification
from kernel.outbox.publishing import Announcement, publish_all
from kernel.outbox.topics import Topic

AT_ONCE: Final = 1_000
MOST_OF_TOPIC: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A topic about the times in ``column`` of objects. ``name`` is the column with their names; ``page`` lists them."""

    topic: Topic
    object_type: str
    name: str = "name"
    column: str
    page: str

    def publish_ahead(self, found: QuerySet[Any], ahead: Mapping[str, timedelta], now: datetime) -> None:
        """Publish a time that comes within a span of ``ahead``, the shortest first: the most urgent step only."""
        after = now
        for within, span in ahead.items():
            self._publish(
                found.filter(**{f"{self.column}__gt": after, f"{self.column}__lte": now + span}), within, now
            )
            after = now + span

    def publish_past(self, found: QuerySet[Any], until: datetime, now: datetime, *, within: str) -> None:
        """Publish a time that is not after ``until``. ``within`` identifies the step."""
        self._publish(found.filter(**{f"{self.column}__lte": until}), within, now)

    def _publish(self, found: QuerySet[Any], within: str, now: datetime) -> None:
        # Read at once, because SQLite cannot write while a statement of the same connection still reads.
        rows = list(found.order_by(self.column).values_list("pk", self.name, self.column))
        new = (self._announcement(within, *row) for row in rows)
        publish_new(new, self.topic, now, page=self.page, within=within)

    def _announcement(self, within: str, object_id: object, name: str, at: datetime) -> Announcement:
        """A change of the time makes another notification."""
        return Announcement(
            topic=self.topic.word,
            dedup_key=f"{self.topic.word}:{object_id}:{at:%Y-%m-%dT%H:%M:%S}:{within}",
            object_type=self.object_type,
            object_id=str(object_id),
            object_name=name,
            facts={"at": f"{at:%Y-%m-%d %H:%MZ}", "within": within},
        )


def publish_new(
    found: Iterable[Announcement], topic: Topic, now: datetime, *, page: str, within: str = ""
) -> None:
    """Those that do not exist yet; one summary instead of those that would exceed ``MOST_OF_TOPIC`` on this day (UTC)."""
    new: list[Announcement] = []
    count = 0
    for some in batched(found, AT_ONCE):
        unknown = _without_known(some)
        count += len(unknown)
        new += unknown[: MOST_OF_TOPIC - len(new)]
    if count and count + _published_today(topic, now) > MOST_OF_TOPIC:
        publish_unknown([_summary(topic, page, within, count, now)])
    elif new:
        publish_all(new)


def _published_today(topic: Topic, now: datetime) -> int:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Notification.objects.filter(topic=topic.word, created_at__gte=today).count()


def publish_unknown(some: Sequence[Announcement]) -> None:
    """Those that do not exist yet."""
    if new := _without_known(some):
        publish_all(new)


def _without_known(some: Sequence[Announcement]) -> list[Announcement]:
    """A read first: on SQLite, an insert that changes nothing would still wait for the only writer."""
    keys = [each.dedup_key for each in some]
    known = set(Notification.objects.filter(dedup_key__in=keys).values_list("dedup_key", flat=True))
    return [each for each in some if each.dedup_key not in known]


def _summary(topic: Topic, page: str, within: str, count: int, now: datetime) -> Announcement:
    """One a day. The objects that still have no notification of their own on the next day are counted again."""
    return Announcement(
        topic=topic.word,
        dedup_key=f"{topic.word}:many:{now:%Y-%m-%d}:{within}",
        facts={"count": count, "within": within, "list": f"{settings.CC_PUBLIC_URL}/{page}"},
    )
