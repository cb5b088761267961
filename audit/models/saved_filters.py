"""Saved filters of the log, and of lists of other apps."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self
from urllib.parse import urlencode

from django.db import models
from django.db.models import Q

from audit.browse.filters import in_words
from audit.models.logs import READ_PERMISSION, Reader
from kernel.clock import database_now
from kernel.databases.rows import is_of
from kernel.identities import IdentityType


@dataclass(frozen=True, slots=True)
class FilteredList:
    """A list whose filters users save. ``permission`` reads it; ``reach`` is all that a limited reader sees of it."""

    name: str
    permission: str
    noun: str
    reach: str


LOG: Final = FilteredList("log", READ_PERMISSION, noun="filter", reach="your own entries")


class SavedFilterQuerySet(models.QuerySet["SavedFilter"]):
    def visible_to(self, reader: Reader, of: FilteredList = LOG) -> Self:
        """The reader's own filters, and shared ones if the reader may read the whole list. Raises Denied."""
        own = is_of(reader.identity, user="owner", other="owner")
        seen = own | Q(is_shared=True) if reader.scope(of.permission) == "all" else own
        return self.filter(seen, list_name=of.name)


class SavedFilter(models.Model):
    """``filters`` are texts: of the log under their API names, and ``period`` (``audit.browse.filters``); of another list
    the parameters of its page.

    Like all tables of the log, this one has no foreign keys. ``owner`` is a user or a service account, as
    ``owner_type`` states. ``owner_name`` is copied.
    """

    NAME_LIMIT: ClassVar[int] = 100

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    list_name = models.CharField(max_length=20, default=LOG.name, db_default=LOG.name)
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
            models.UniqueConstraint(
                fields=["owner", "list_name", "name"], name="audit_saved_filters_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def parameters(self) -> dict[str, str]:
        """The filters, sorted, because a database does not keep the order of members. An altered row may have any JSON value."""
        given = self.filters if isinstance(self.filters, Mapping) else {}
        return {name: str(value) for name, value in sorted(given.items())}

    @property
    def query(self) -> str:
        return urlencode(self.parameters)

    @property
    def filters_in_words(self) -> list[tuple[str, str]]:
        return in_words(self.filters)
