"""Publish notifications in the transaction of the caller."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Final

from kernel.clock import database_now
from kernel.outbox.models import Notification

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A notification to publish. ``dedup_key`` identifies the event: the second one with the same key is ignored.

    ``facts`` are plain values, never secrets: targets outside the installation receive them.
    """

    topic: str
    dedup_key: str
    object_type: str = ""
    object_id: str = ""
    object_name: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def publish(announcement: Announcement) -> None:
    """Store the notification with the caller's transaction, unless its key is stored already. One statement."""
    publish_all([announcement])


def publish_all(announcements: Collection[Announcement]) -> None:
    """Store those that are not stored yet. One statement for ``AT_ONCE`` of them."""
    now = database_now()
    rows = (
        Notification(
            topic=each.topic,
            object_type=each.object_type,
            object_id=each.object_id,
            object_name=each.object_name,
            facts=dict(each.facts),
            dedup_key=each.dedup_key,
            created_at=now,
        )
        for each in announcements
    )
    for some in batched(rows, AT_ONCE):
        Notification.objects.bulk_create(some, ignore_conflicts=True)
