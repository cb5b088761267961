"""The table of notifications."""

import uuid
from typing import ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from kernel.outbox.topics import Severity, Topic, topic_of


class Notification(models.Model):
    """Something that an operator should know.

    ``facts`` contains plain values and no secrets. The database keeps one row per ``dedup_key``, so a condition that is
    found again is not published again. ``distributed_at`` is None until the deliveries of the row exist.

    Rows have no MAC, because no decision depends on them.
    """

    LONGEST_DEDUP_KEY: ClassVar[int] = 200

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    topic = models.CharField(max_length=64)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=150, blank=True)
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    dedup_key = models.CharField(max_length=LONGEST_DEDUP_KEY, unique=True)
    created_at = models.DateTimeField()
    distributed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "notifications"
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="idx_notifications_created"),
            models.Index(
                fields=["created_at"],
                name="idx_notifications_waiting",
                condition=Q(distributed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.sentence

    @property
    def kind(self) -> Topic:
        return topic_of(self.topic)

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    @property
    def sentence(self) -> str:
        """The event in one sentence."""
        return self.kind.sentence(self.object_name, self.facts)
