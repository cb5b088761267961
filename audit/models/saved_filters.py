"""Filters of the log that somebody keeps under a name."""

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from audit.models.logs import READ_PERMISSION, Reader
from kernel.clock import database_now


class SavedFilterQuerySet(models.QuerySet["SavedFilter"]):
    def visible_to(self, reader: Reader) -> Self:
        """The reader's own, and the shared ones where he reads the whole log. Raises Denied."""
        own = Q(owner=reader.user_id, owner__isnull=False)
        return self.filter(own | Q(is_shared=True) if reader.scope(READ_PERMISSION) == "all" else own)


class SavedFilter(models.Model):
    """``filters`` are those of the log in the words of the API, as texts, and ``period`` (``audit.browse.saved_filters``).

    There is no foreign key to the owner, as nowhere in the log; ``owner_name`` is copied.
    """

    NAME_LIMIT: ClassVar[int] = 100

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LIMIT)
    owner = models.UUIDField()
    owner_name = models.CharField(max_length=150)
    is_shared = models.BooleanField(default=False)
    filters = models.JSONField()
    created_at = models.DateTimeField(default=database_now)

    objects = SavedFilterQuerySet.as_manager()

    class Meta:
        db_table = "audit_saved_filters"
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["name", "id"], condition=Q(is_shared=True), name="idx_shared_filters")
        ]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="audit_saved_filters_name_once")
        ]

    def __str__(self) -> str:
        return self.name
