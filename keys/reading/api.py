"""REST interface for keys. Each view converts the request and calls one service."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.rest.fields import PageQuery
from kernel.rules import Rule
from keys import actions
from keys.reading import services as reading
from keys.reading.rest_references import KeyReferenceView
from keys.reading.serializers import (
    KeyVersionPageSerializer,
    KeyVersionSerializer,
)


class KeyView(KeyReferenceView):
    """Base class of views whose URL names a key. Their methods receive the key's ID."""

    object_reference = ("key", "key_id")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.kwargs["key_id"] = self.key_id_of(kwargs["key_id"])  # DRF passes this mapping to the method

    def require_visible(self) -> None:
        reading.get_key(principal=self.principal, key_id=self.kwargs["key_id"])


class KeyVersionListView(KeyView):
    """The versions of the key, newest first."""

    rules = {"GET": Rule("keys.read", actions.VERSION_LISTED)}

    @extend_schema(
        operation_id="keys_versions_list", parameters=[PageQuery], responses=KeyVersionPageSerializer
    )
    def get(self, _request: Request, key_id: UUID) -> Response:
        self.read_query(PageQuery)
        versions = reading.list_versions(principal=self.principal, key_id=key_id)
        return self.page(versions, KeyVersionSerializer)
