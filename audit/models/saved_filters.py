"""Saved filters of the log."""

import uuid
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from audit.browse.filters import in_words
from audit.models.logs import READ_PERMISSION, Reader
from kernel.clock import database_now
from kernel.databases.rows import is_of
from kernel.identities import IdentityType


class SavedFilterQuerySet(models.QuerySet["SavedFilter"]):
    def visible_to(self, reader: Reader) -> Self:
        """The reader's own filters, and shared ones if the reader may read the whole log. Raises Denied."""
        own = is_of(reader.identity, user="owner", other="owner")
        return self.filter(own | Q(is_shared=True) if reader.scope(READ_PERMISSION) == "all" else own)


class SavedFilter(models.Model):
    """``filters`` are log filters as texts, under their API names, and ``period`` (``audit.browse.filters``).

    Like all tables of the log, this one has no foreign keys. ``owner`` is a user or a service account, as
    ``owner_type`` states. ``owner_name`` is copied.
    """

    NAME_LIMIT: ClassVar[int] = 100

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LIMIT)
    owner = models.UUIDField()
    owner_type = models.CharField(
        max_length=20, default=IdentityType.USER.value, db_default=IdentityType.USER.value
    )
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

    @property
    def filters_in_words(self) -> list[tuple[str, str]]:
        return in_words(self.filters)
