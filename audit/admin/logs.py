"""Entries, changed rows, and the epoch."""

from functools import cached_property
from typing import cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from audit.models import AuditLog, AuditTrail, SecurityEpoch
from audit.selection import EXACT_COUNT, SEARCHED, holds_word
from ciphercanary.read_only_admin import ReadOnlyModelAdmin


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts no further than a reader would page: a COUNT over the whole log takes longer than its page."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return rows[:EXACT_COUNT].count()


class LogAdmin(ReadOnlyModelAdmin):
    paginator = BoundedPaginator


@admin.register(AuditLog)
class AuditLogAdmin(LogAdmin):
    date_hierarchy = "timestamp"
    list_display = (
        "id",
        "timestamp",
        "actor_name",
        "action",
        "outcome",
        "code",
        "source",
        "count",
        "object_id",
    )
    list_filter = ("outcome", "source", "actor_type")
    ordering = ("-id",)
    search_fields = SEARCHED
    search_help_text = "Words that all occur: in the actor, action, object, code, address, meta …"

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[AuditLog],
        search_term: str,
    ) -> tuple[QuerySet[AuditLog], bool]:
        """As the API searches, so that an export of what is shown has the same entries."""
        for word in search_term.split():
            queryset = queryset.filter(holds_word(word))
        return queryset, False


@admin.register(AuditTrail)
class AuditTrailAdmin(LogAdmin):
    date_hierarchy = "changed_at"
    list_display = ("id", "changed_at", "table_name", "record_id", "action", "changed_by")
    list_filter = ("table_name", "action")
    ordering = ("-id",)
    search_fields = ("record_id", "table_name", "event_id")
    search_help_text = "Record, table or event id"


@admin.register(SecurityEpoch)
class SecurityEpochAdmin(ReadOnlyModelAdmin):
    list_display = ("id", "epoch")
