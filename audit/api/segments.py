"""Segments of the archive."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.serializers.segments import AuditSegmentSerializer
from audit.services import segments
from audit.services.alarms import LIST_PERMISSION
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.views import ApiView
from kernel.rules import Caller, Rule


class SegmentListView(ApiView[Caller]):
    rules = {"GET": Rule(LIST_PERMISSION, actions.SEGMENT_LISTED)}

    @extend_schema(
        operation_id="audit_segments_list",
        parameters=[PageQuery],
        responses=page_serializer(AuditSegmentSerializer),
    )
    def get(self, _request: Request) -> Response:
        """List the segments of the archive, newest first."""
        self.read_query(PageQuery)
        found = segments.find_segments(principal=self.principal)
        return self.page(found, AuditSegmentSerializer, read=segments.checked)
