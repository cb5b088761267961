"""Read-only access to log entries and changed rows."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer

from audit import actions
from audit.browse.selection import KeysetPage, LogCriteria, TrailCriteria, page_before, time_column
from audit.log.canonical import format_timestamp
from audit.models import READ_PERMISSION
from audit.sequencing.catching_up import ShowsLog
from audit.serializers.logs import (
    ChangedRowSerializer,
    LogEntrySerializer,
    LogPageSerializer,
    LogQuerySerializer,
    TrailPageSerializer,
    TrailQuerySerializer,
)
from audit.services import reading, searching, segments, showing
from kernel.rest.views import ApiView, link_header
from kernel.rules import Caller, Rule


class LogListView(ShowsLog, ApiView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}

    @extend_schema(
        operation_id="audit_logs_list", parameters=[LogQuerySerializer], responses=LogPageSerializer
    )
    def get(self, request: Request) -> Response:
        """List audit events, newest first. An entry has the columns of ``audit_logs``."""
        query = self.read_query(LogQuerySerializer)
        before, limit = query.pop("before", None), query.pop("limit")
        criteria = LogCriteria(**query)
        with searching.search_logs(reader=self.principal, criteria=criteria, before=before) as found:
            page = found.page(limit)
        if found.is_part:  # a search reads nothing newer, so ``previous`` links to the newest entries
            next_before = page.next_before or found.stopped_at
            page = replace(page, next_before=next_before, has_previous=before is not None)
        response = _response(request, page, LogEntrySerializer, limit=limit)
        response.data["searched_above"] = None if found.stopped_at is None else found.stopped_at - 1
        archived_until = segments.read_archived_until(criteria)
        response.data["archived_until"] = archived_until and format_timestamp(archived_until)
        return response


class LogDetailView(ShowsLog, ApiView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.LOG_READ)}
    object_reference = ("audit_log", "log_id")

    @extend_schema(responses=LogEntrySerializer)
    def get(self, _request: Request, log_id: int) -> Response:
        """One entry."""
        return Response(LogEntrySerializer(showing.show_entry(reader=self.principal, log_id=log_id)).data)


class TrailListView(ShowsLog, ApiView[Caller]):
    rules = {"GET": Rule(READ_PERMISSION, actions.TRAIL_READ)}

    @extend_schema(
        operation_id="audit_trail_list", parameters=[TrailQuerySerializer], responses=TrailPageSerializer
    )
    def get(self, request: Request) -> Response:
        """List changed rows, newest first, with the columns of ``audit_trail``."""
        query = self.read_query(TrailQuerySerializer)
        before, limit = query.pop("before", None), query.pop("limit")
        criteria = TrailCriteria(**query)
        rows = reading.find_changes(reader=self.principal, criteria=criteria)
        time = time_column(criteria, "changed_at")
        page = page_before(rows, before=before, limit=limit, time=time, read=showing.show_changes)
        return _response(request, page, ChangedRowSerializer, limit=limit)


def _response[M: Model](
    request: Request,
    page: KeysetPage[M],
    serializer: type[ModelSerializer[M]],
    *,
    limit: int,
) -> Response:
    links = {
        "next": _url(request, page.next_before) if page.next_before else None,
        "previous": _url(request, page.previous_before) if page.has_previous else None,
    }
    body: dict[str, Any] = {
        "count": page.count,
        "count_is_exact": page.count_is_exact,
        "limit": limit,
        **links,
        "results": serializer(page.rows, many=True).data,
    }
    return Response(body, headers=link_header(links))


def _url(request: Request, before: int | None) -> str:
    query = request.query_params.dict()
    query.pop("before", None)
    if before is not None:
        query["before"] = str(before)
    return f"{request.path}?{urlencode(query)}" if query else request.path
