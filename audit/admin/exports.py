"""Exports of the log in Django's admin: request from the list of entries, watch, cancel and download."""

from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from audit import actions, services
from audit.admin.list_filters import criteria_of_list
from audit.browse.selection import LogCriteria
from audit.exports.downloads import download
from audit.browse.filters import filters_of
from audit.forms import FORMATS
from audit.models import EXPORT_PERMISSION, AuditExport
from audit.services import Exporter
from kernel.clock import process_now
from kernel.errors import Conflict, Denied, DomainError
from kernel.http import problems
from kernel.http.context import in_context
from kernel.read_only_admin import ReadOnlyModelAdmin

NOTHING = "\N{EN DASH}"


@admin.register(AuditExport)
class AuditExportAdmin(ReadOnlyModelAdmin):
    date_hierarchy = "created_at"
    fields = (
        "id",
        "status",
        "progress",
        "result",
        "format",
        "filters",
        "is_of_own_acts",
        "created_by_name",
        "created_by",
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
        "result",
    )
    list_filter = ("status", "format")
    ordering = ("-created_at",)
    readonly_fields = ("progress", "result")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Requires the export permission: operators may read the log but not export it."""
        try:
            principal_of(request).require(EXPORT_PERMISSION)
        except Denied:
            return False
        return True

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditExport]:
        return services.find_exports(principal=principal_of(request))

    def get_urls(self) -> list[URLPattern]:
        inside = self.admin_site.admin_view
        return [
            path("request/", inside(self.request_view), name="audit_auditexport_request"),
            path("<uuid:export_id>/cancel/", inside(self.cancel_view), name="audit_auditexport_cancel"),
            path("<uuid:export_id>/result/", inside(self.result_view), name="audit_auditexport_result"),
            *super().get_urls(),
        ]

    @admin.display(description="progress")
    def progress(self, export: AuditExport) -> str:
        if export.total is None:
            return NOTHING
        return f"{export.done:,} of {export.total:,} {export.unit}"

    @admin.display(description="file")
    def result(self, export: AuditExport) -> str:
        if not export.has_ended:
            # The admin pages are forms with a CSRF token already, so the button needs no form of its own.
            return format_html(
                '<button type="submit" formaction="{}">Cancel</button>', _url("cancel", export.id)
            )
        # Uses the process clock, because a page has many rows. The download checks the database clock.
        if export.is_kept(process_now()):
            return format_html('<a href="{}">Download</a>', _url("result", export.id))
        return "Expired" if export.expires_at else NOTHING

    def request_view(self, request: HttpRequest) -> HttpResponse:
        """Request an export of the entries that the list shows for the same query string."""
        in_context(request).audit_action = actions.EXPORT_REQUESTED
        principal = principal_of(request)
        principal.require(EXPORT_PERMISSION)
        criteria = criteria_of_list(request.GET)
        if request.method != "POST":
            return self._ask(request, criteria)
        try:
            export = services.request_export(
                principal=principal, export_format=request.POST.get("format", ""), criteria=criteria
            )
        except DomainError as error:
            in_context(request).refusal = error
            return self._ask(request, criteria, error)
        messages.success(request, "Export queued. Reload this page to see its progress.")
        return HttpResponseRedirect(_url("change", export.id))

    def cancel_view(self, request: HttpRequest, export_id: UUID) -> HttpResponse:
        _concern(request, actions.EXPORT_CANCELLED, export_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            services.cancel_export(principal=principal_of(request), export_id=export_id)
        except Conflict as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, "Export cancelled. A running export stops in a moment.")
        return HttpResponseRedirect(_url("change", export_id))

    def result_view(self, request: HttpRequest, export_id: UUID) -> HttpResponseBase:
        _concern(request, actions.EXPORT_DOWNLOADED, export_id)
        is_head = request.method == "HEAD"
        return download(principal=principal_of(request), export_id=export_id, is_head=is_head)

    def _ask(
        self, request: HttpRequest, criteria: LogCriteria, error: DomainError | None = None
    ) -> TemplateResponse:
        filters = filters_of(criteria)
        context = {
            **self.admin_site.each_context(request),
            "title": "Export entries",
            "opts": self.opts,
            "filters": filters,
            "formats": {word: text for word, text in FORMATS.items() if not filters or word != "tiles"},
            "error": error,
        }
        status = 200 if error is None else problems.status_of(error)
        return TemplateResponse(request, "admin/audit/auditexport/request.html", context, status=status)


def principal_of(request: HttpRequest) -> Exporter:
    """The principal that ``accounts.middleware`` has set. Raises Denied without a session."""
    principal: Exporter | None = getattr(request, "principal", None)
    if principal is None:
        raise Denied("Sign in first.")
    return principal


def _concern(request: HttpRequest, action: str, export_id: UUID) -> None:
    """Set the action and the export on the request, for the record of a refusal."""
    in_context(request).audit_action = action
    in_context(request).audit_object = ("audit_export", str(export_id))


def _url(name: str, export_id: UUID) -> str:
    return reverse(f"admin:audit_auditexport_{name}", args=[export_id])
