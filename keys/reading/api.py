"""REST interface for keys. Each view converts the request and calls one service."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from kernel.rest.paging import PageQuery, page_serializer
from kernel.rules import Rule
from keys import actions
from keys.reading import services
from keys.reading.rest_references import KeyReferenceView
from keys.reading.serializers import (
    KeySerializer,
    KeyVersionSerializer,
    ReasonSerializer,
)


class KeyView(KeyReferenceView):
    """Base class of views whose URL names a key. Their methods receive the key's ID."""

    object_reference = ("key", "key_id")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.kwargs["key_id"] = self.key_id_of(kwargs["key_id"])  # DRF passes this mapping to the method

    def require_visible(self) -> None:
        services.get_key(principal=self.principal, key_id=self.kwargs["key_id"])


class ChangeView(KeyView):
    """Base class of views that change the key, or the version in the URL, by ``change``, a service."""

    body: ClassVar[type[ReasonSerializer]] = ReasonSerializer
    shown: ClassVar[type[Serializer[Any]]] = KeySerializer
    change: ClassVar[Callable[..., object]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        extend_schema_view(post=extend_schema(request=cls.body, responses=cls.shown))(cls)

    def post(self, _request: Request, **named: Any) -> Response:
        changed = type(self).change(principal=self.principal, **named, **self.read(self.body))
        return Response(self.shown(changed).data)


class KeyVersionListView(KeyView):
    """The versions of the key, newest first."""

    rules = {"GET": Rule("keys.read", actions.VERSION_LISTED)}

    @extend_schema(
        operation_id="keys_versions_list",
        parameters=[PageQuery],
        responses=page_serializer(KeyVersionSerializer),
    )
    def get(self, _request: Request, key_id: UUID) -> Response:
        self.read_query(PageQuery)
        versions = services.list_versions(principal=self.principal, key_id=key_id)
        return self.page(versions, KeyVersionSerializer)
