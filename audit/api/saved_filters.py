"""Saved filters of the log."""

from http import HTTPStatus

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import actions
from audit.models import READ_PERMISSION
from audit.serializers.saved_filters import (
    NewSavedFilterSerializer,
    SavedFilterSerializer,
)
from audit.services import saved_filters
from audit.services.saved_filters import Owner
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.views import ApiView, DeleteView
from kernel.rules import Rule


class SavedFilterListView(ApiView[Owner]):
    rules = {
        "GET": Rule(READ_PERMISSION, actions.FILTER_LISTED),
        "POST": Rule(READ_PERMISSION, actions.FILTER_SAVED),
    }

    @extend_schema(
        operation_id="audit_saved_filters_list",
        parameters=[PageQuery],
        responses=page_serializer(SavedFilterSerializer),
    )
    def get(self, _request: Request) -> Response:
        """List the caller's filters by name. Callers who may read the whole log also get shared filters."""
        self.read_query(PageQuery)
        return self.page(saved_filters.find_filters(reader=self.principal), SavedFilterSerializer)

    @idempotent()
    @extend_schema(request=NewSavedFilterSerializer, responses={201: SavedFilterSerializer})
    def post(self, _request: Request) -> Response:
        """Save a filter."""
        kept = saved_filters.save_filter(principal=self.principal, **self.read(NewSavedFilterSerializer))
        return Response(SavedFilterSerializer(kept).data, status=HTTPStatus.CREATED)


class SavedFilterView(DeleteView[Owner]):
    """Delete one of the caller's filters."""

    rules = {"DELETE": Rule(READ_PERMISSION, actions.FILTER_DELETED)}
    object_reference = ("saved_filter", "filter_id")
    remove = saved_filters.delete_filter
