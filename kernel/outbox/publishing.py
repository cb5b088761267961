"""Publish notifications in the transaction of the caller."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import batched
from typing import Final

import django.db
from django.db import transaction

from kernel.clock import database_now
from kernel.outbox.models import Notification

logger = logging.getLogger(__name__)

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
    """Store the notification with the caller's transaction, unless its key is stored already.

    The event is more important than its notification: if the database refuses the notification, the error is logged, and
    the caller's transaction continues.
    """
    try:
        with transaction.atomic():  # a savepoint, so that an error does not end the caller's transaction
            publish_all([announcement])
    except django.db.Error:
        logger.exception("a notification about %s could not be stored", announcement.topic)


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
        Notification.objects.bulk_create(some, ignore_conflicts=True)  # noqa: CC3 - notifications decide nothing
