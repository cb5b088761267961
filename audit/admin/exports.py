"""Exports and saved filters of the log. The console and the API request, cancel and download exports."""

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from audit.admin.logs import principal_of
from audit.models import EXPORT_PERMISSION, AuditExport, SavedFilter
from audit.services import exports
from kernel.errors import Denied
from kernel.read_only_admin import ReadOnlyModelAdmin

NOTHING = "\N{EN DASH}"


@admin.register(AuditExport)
class AuditExportAdmin(ReadOnlyModelAdmin):
    console_page = "audit-export-list"
    date_hierarchy = "created_at"
    fields = (
        "id",
        "status",
        "progress",
        "format",
        "filters",
        "is_of_own_acts",
        "created_by_name",
        "created_by",
        "actor_id",
        "created_at",
        "started_at",
        "finished_at",
        "cancel_requested_at",
        "error_code",
        "rows",
        "altered",
        "size",
        "sha256",
        "expires_at",
        "checkpoint_size",
        "checkpoint_root",
        "vkeys",
    )
    list_display = (
        "created_at",
        "created_by_name",
        "format",
        "status",
        "progress",
        "rows",
        "sha256",
        "expires_at",
    )
    list_filter = ("status", "format")
    ordering = ("-created_at",)
    readonly_fields = ("progress",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Requires the export permission: operators may read the log but not export it."""
        try:
            principal_of(request).require(EXPORT_PERMISSION)
        except Denied:
            return False
        return True

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditExport]:
        return exports.find_exports(principal=principal_of(request))

    @admin.display(description="progress")
    def progress(self, export: AuditExport) -> str:
        if export.total is None:
            return NOTHING
        return f"{export.done:,} of {export.total:,} {export.unit}"

    def view_on_site(self, export: AuditExport) -> str:
        return reverse("job", args=[export.pk])


@admin.register(SavedFilter)
class SavedFilterAdmin(ReadOnlyModelAdmin):
    console_page = "audit-saved"
    list_display = ("name", "owner_name", "is_shared", "filters", "created_at")
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedFilter]:
        """Excludes the private filters of other users."""
        return SavedFilter.objects.visible_to(principal_of(request))
