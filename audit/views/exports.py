"""Pages of exports of the log: list them, request one, and download its file."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from audit import actions
from audit.exports.downloads import download
from audit.forms.exports import ExportForm
from audit.forms.filters import LogFilterForm
from audit.models import EXPORT_PERMISSION, READ_PERMISSION
from audit.services import exports
from audit.services.exports import Exporter
from audit.views.events import return_to_list
from kernel.clock import database_now, process_now
from kernel.errors import DomainError
from kernel.pages.views import PageView
from kernel.rules import Rule

LIMIT = 50


class ExportListView(PageView[Exporter]):
    rules = {"GET": Rule(EXPORT_PERMISSION, actions.EXPORT_LISTED)}
    section = "audit"
    template = "audit/exports.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = list(exports.find_exports(principal=self.principal)[: LIMIT + 1])
        now = process_now()
        rows = [(export, export.is_kept(now)) for export in found[:LIMIT]]
        return self.page(exports=rows, has_more=len(found) > LIMIT)


class NewExportView(PageView[Exporter]):
    """Queues an export with the filters of the query string."""

    rules = dict.fromkeys(("GET", "POST"), Rule(EXPORT_PERMISSION, actions.EXPORT_REQUESTED))
    section = "audit"
    template = "audit/export_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        self.principal.require_recent_sign_in(database_now())
        asked = LogFilterForm(request.GET)
        return self._show_form(ExportForm(is_of_whole_log=self._is_of_whole_log(asked)), asked)

    def post(self, request: HttpRequest) -> HttpResponse:
        asked = LogFilterForm(request.GET)
        form = ExportForm(request.POST, is_of_whole_log=self._is_of_whole_log(asked))
        # Reject invalid filters, because without them the file would contain more than was requested.
        if form.is_valid() and not asked.errors:
            try:
                export = exports.request_export(
                    principal=self.principal,
                    export_format=form.cleaned_data["format"],
                    criteria=asked.criteria(database_now()),
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("job", args=[export.id]), "Export queued.")
        return self._show_form(form, asked, status=HTTPStatus.UNPROCESSABLE_ENTITY)

    def _show_form(self, form: ExportForm, asked: LogFilterForm, **options: Any) -> HttpResponse:
        return self.page(
            form=form,
            asked=asked,
            **return_to_list(self.request, asked),
            hours=settings.CC_EXPORT_HOURS,
            **options,
        )

    def _is_of_whole_log(self, asked: LogFilterForm) -> bool:
        return not asked.asked and self.principal.scope(READ_PERMISSION) == "all"


class ExportFileView(PageView[Exporter]):
    """POST only, because each download is recorded, and crawlers may follow links."""

    rules = {"POST": Rule(EXPORT_PERMISSION, actions.EXPORT_DOWNLOADED)}
    object_reference = ("audit_export", "export_id")

    def post(self, request: HttpRequest, export_id: UUID) -> HttpResponseBase:  # noqa: ARG002 - Django's signature
        return download(principal=self.principal, job_id=export_id, is_head=False)
