"""Exports of the log, run as background jobs."""

from http import HTTPStatus
from uuid import UUID

from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.browse.selection import LogCriteria
from audit.exports.downloads import download
from audit.exports.formats import FILE_TYPES
from audit.models import EXPORT_PERMISSION
from audit.serializers.exports import (
    AuditExportSerializer,
    ExportRequestSerializer,
)
from audit.services import exports
from audit.services.exports import Exporter
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView, DownloadView
from kernel.rules import Rule


class _ExportView(ApiView[Exporter]):
    """Base of every view whose URL names an export."""

    object_reference = ("audit_export", "export_id")


class ExportListView(ApiView[Exporter]):
    rules = {
        "GET": Rule(EXPORT_PERMISSION, actions.EXPORT_LISTED),
        "POST": Rule(EXPORT_PERMISSION, actions.EXPORT_REQUESTED),
    }

    @extend_schema(
        operation_id="audit_exports_list",
        parameters=[PageQuery],
        responses=page_serializer(AuditExportSerializer),
    )
    def get(self, _request: Request) -> Response:
        """List the exports that the caller may see, newest first."""
        self.read_query(PageQuery)
        return self.page(exports.find_exports(principal=self.principal), AuditExportSerializer)

    @idempotent()
    @extend_schema(
        request=ExportRequestSerializer, parameters=[LOCATION], responses={202: AuditExportSerializer}
    )
    def post(self, _request: Request) -> Response:
        """Queue an export of log entries. A background worker writes the file. Requires a recent sign-in."""
        asked = self.read(ExportRequestSerializer)
        export = exports.request_export(
            principal=self.principal, export_format=asked.pop("format"), criteria=LogCriteria(**asked)
        )
        location = reverse("audit-export", kwargs={"export_id": export.id})
        return Response(
            AuditExportSerializer(export).data, status=HTTPStatus.ACCEPTED, headers={"Location": location}
        )


class ExportDetailView(_ExportView):
    rules = {"GET": Rule(EXPORT_PERMISSION, actions.EXPORT_READ)}

    @extend_schema(responses=AuditExportSerializer)
    def get(self, _request: Request, export_id: UUID) -> Response:
        """The status of an export, and its result."""
        export = exports.find_export(principal=self.principal, job_id=export_id)
        return Response(AuditExportSerializer(export).data)


class ExportCancelView(_ExportView):
    rules = {"POST": Rule(EXPORT_PERMISSION, actions.EXPORT_CANCELLED)}

    @extend_schema(request=None, responses=AuditExportSerializer)
    def post(self, _request: Request, export_id: UUID) -> Response:
        """Cancel an export that is queued or running. A running export stops within about a second."""
        export = exports.cancel_export(principal=self.principal, job_id=export_id)
        return Response(AuditExportSerializer(export).data)


class ExportResultView(DownloadView[Exporter], _ExportView):
    rules = {"GET": Rule(EXPORT_PERMISSION, actions.EXPORT_DOWNLOADED)}

    @extend_schema(
        responses={(200, kind.media_type): OpenApiTypes.BINARY for kind in FILE_TYPES.values()},
        operation_id="audit_exports_result",
    )
    def get(self, request: Request, export_id: UUID) -> HttpResponseBase:
        """Download the file of a successful export, until it expires. ``Repr-Digest`` has its SHA-256."""
        return download(principal=self.principal, job_id=export_id, is_head=request.method == "HEAD")
