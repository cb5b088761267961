"""Admin pages of log entries, changed rows and epochs."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import django.db
from django.contrib import admin
from django.contrib.admin.templatetags.admin_list import date_hierarchy
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.admin.list_filters import ActorTypeFilter, SourceFilter, period_of_list
from audit.browse.selection import SEARCH_DEPTH, SEARCHED, LogCriteria
from audit.models import AuditLog, AuditTrail, Integrity
from audit.sequencing.catching_up import catch_up_with_request
from audit.services import proofs, searching, showing
from audit.services.exports import Exporter
from kernel.errors import Denied
from kernel.freshness.models import EntityEpoch, SecurityEpoch
from kernel.read_only_admin import ReadOnlyModelAdmin

BROWSABLE = 10_000  # rows that the pages of the admin reach


def principal_of(request: HttpRequest) -> Exporter:
    """The principal that ``accounts.sessions.middleware`` has set. Raises Denied without a session."""
    principal: Exporter | None = getattr(request, "principal", None)
    if principal is None:
        raise Denied("Sign in first.")
    return principal


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Stops counting at ``BROWSABLE`` rows: a COUNT over the whole log takes longer than loading a page."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return rows[:BROWSABLE].count()


class LogChangeList(ChangeList):
    """Reads the rows of a page with the admin's ``show``, and tolerates rows that Django cannot convert."""

    model_admin: "LogAdmin"
    dates: Mapping[str, Any] | None = None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.model_admin.show(self.result_list)
        if self.date_hierarchy:
            self.dates = self._read_dates()

    def _read_dates(self) -> Mapping[str, Any] | None:
        """Context of the date navigation; None if a row has an invalid timestamp."""
        try:
            return date_hierarchy(self)
        except (TypeError, ValueError, AttributeError, OverflowError, django.db.Error):
            return None


class LogAdmin(ReadOnlyModelAdmin):
    change_list_template = "admin/audit/log_list.html"
    paginator = BoundedPaginator

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        return LogChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        catch_up_with_request()
        return self.show_list(request, extra_context)

    def show_list(self, request: HttpRequest, extra_context: Any) -> HttpResponse:
        """The list, once it has the newest entries."""
        return super().changelist_view(request, extra_context)

    def show(self, rows: QuerySet[Any]) -> Sequence[Model]:
        """The rows of a page as a list. Subclasses check their integrity."""
        return list(rows)


class ShownAdmin(LogAdmin):
    """Admin of rows whose integrity is checked, in the list and on the detail page."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:  # noqa: ARG002 - Django's signature
        try:
            key = self.model._meta.pk.to_python(object_id)
        except ValidationError:
            return None
        return self.find(self.get_queryset(request), key)

    def find(self, rows: QuerySet[Any], key: Any) -> Model | None:
        """The row with this primary key."""
        return next(iter(self.show(rows.filter(pk=key))), None)

    @admin.display(description="integrity")
    def integrity_badge(self, row: AuditLog | AuditTrail) -> SafeString:
        return badge_of(row.integrity)


def badge_of(integrity: str) -> SafeString:
    if integrity != Integrity.ALTERED:
        return format_html("{}", integrity)
    warning = "\N{WARNING SIGN} Altered outside the application. Run verify_audit_log"
    return format_html('<strong class="errornote">{}</strong>', warning)


@admin.register(AuditLog)
class AuditLogAdmin(ShownAdmin):
    console_page = "audit"
    date_hierarchy = "timestamp"
    list_display = (
        "id",
        "integrity_badge",
        "timestamp",
        "actor_name",
        "action",
        "outcome",
        "code",
        "source",
        "count",
        "object_id",
    )
    list_filter = ("outcome", ("source", SourceFilter), ("actor_type", ActorTypeFilter))
    ordering = ("-id",)
    search_fields = SEARCHED
    readonly_fields = ("integrity_badge", "leaf_index")
    search_help_text = (
        "Finds entries that contain all words, for example in the actor, action, object, code, address or meta. "
        f"A search covers the latest {SEARCH_DEPTH:,} entries of the chosen date. An export in the console covers all entries."
    )

    def show_list(self, request: HttpRequest, extra_context: Any) -> HttpResponse:
        """Search like the API, with the same limits. Raises Denied, Throttled, SearchTimeout."""
        since, until = period_of_list(request.GET)
        criteria = LogCriteria(search=request.GET.get("q", ""), since=since, until=until)
        with searching.search_logs(reader=principal_of(request), criteria=criteria) as found:
            request.searched = found.rows  # type: ignore[attr-defined]  # for get_search_results
            response = super().show_list(request, extra_context)
            # Render inside the block, because rendering reads the rows.
            return response.render() if isinstance(response, TemplateResponse) else response

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[AuditLog],
        search_term: str,  # noqa: ARG002 - Django's signature
    ) -> tuple[QuerySet[AuditLog], bool]:
        return queryset & request.searched, False  # type: ignore[attr-defined]  # set by show_list

    def show(self, rows: QuerySet[AuditLog]) -> Sequence[AuditLog]:
        return showing.show_entries(rows)

    def leaf_index(self, entry: AuditLog) -> int | None:
        return proofs.leaf_index(entry)

    def view_on_site(self, entry: AuditLog) -> str | None:
        """The console's page, with the proof. An altered id may be negative, and has none."""
        return reverse("audit-entry", args=[entry.pk]) if entry.pk > 0 else None


@admin.register(AuditTrail)
class AuditTrailAdmin(ShownAdmin):
    date_hierarchy = "changed_at"
    list_display = (
        "id",
        "integrity_badge",
        "changed_at",
        "table_name",
        "record_id",
        "action",
        "changed_by",
        "actor_id",
    )
    readonly_fields = ("integrity_badge",)
    ordering = ("-id",)
    search_fields = ("record_id", "table_name", "event_id")
    search_help_text = "Record, table or event ID"

    def show(self, rows: QuerySet[AuditTrail]) -> Sequence[AuditTrail]:
        return showing.show_changes(rows)


@admin.register(SecurityEpoch)
class SecurityEpochAdmin(ReadOnlyModelAdmin):
    list_display = ("id", "epoch")


@admin.register(EntityEpoch)
class EntityEpochAdmin(LogAdmin):
    list_display = ("entity", "epoch")
    ordering = ("entity",)
    search_fields = ("entity__exact",)
    search_help_text = "An entity, such as key:ID or user:ID"
