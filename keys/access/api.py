"""REST interface for grants and for the question who may do what with a key."""

from http import HTTPStatus
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from kernel.http.addresses import canonical_address
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.views import ApiView, DeleteView
from kernel.rules import Rule
from keys import actions
from keys.access import services
from keys.access.serializers import (
    AccessQuerySerializer,
    AccessSerializer,
    GrantSerializer,
    NewGrantSerializer,
    NewTagGrantSerializer,
)
from keys.access.services import READ, GrantRequest
from keys.changing import MANAGE
from keys.reading.api import KeyView


class KeyGrantListView(KeyView):
    rules = {"GET": Rule(READ, actions.GRANT_LISTED), "POST": Rule(MANAGE, actions.GRANT_CREATED)}

    @extend_schema(
        operation_id="keys_grants_list", parameters=[PageQuery], responses=page_serializer(GrantSerializer)
    )
    def get(self, _request: Request, key_id: UUID) -> Response:
        """The grants on the key and on its tags."""
        self.read_query(PageQuery)
        return self.page(services.list_key_grants(principal=self.principal, key_id=key_id), GrantSerializer)

    @extend_schema(request=NewGrantSerializer, responses={201: GrantSerializer})
    @idempotent()
    def post(self, _request: Request, key_id: UUID) -> Response:
        """Grant operations with the key to a user, a service account or everyone with a role."""
        request = GrantRequest(**self.read(NewGrantSerializer))
        grant = services.grant_key(principal=self.principal, key_id=key_id, request=request)
        return Response(GrantSerializer(grant).data, status=HTTPStatus.CREATED)


class KeyGrantView(DeleteView[Principal], KeyView):
    """Remove a grant. No process uses it after this response."""

    rules = {"DELETE": Rule(MANAGE, actions.GRANT_REMOVED)}
    remove = services.remove_grant


class TagGrantListView(ApiView[Principal]):
    rules = {"GET": Rule(READ, actions.GRANT_LISTED), "POST": Rule(MANAGE, actions.GRANT_CREATED)}

    @extend_schema(
        operation_id="grants_list", parameters=[PageQuery], responses=page_serializer(GrantSerializer)
    )
    def get(self, _request: Request) -> Response:
        """The grants on tags."""
        self.read_query(PageQuery)
        return self.page(services.list_tag_grants(principal=self.principal), GrantSerializer)

    @extend_schema(request=NewTagGrantSerializer, responses={201: GrantSerializer})
    @idempotent()
    def post(self, _request: Request) -> Response:
        """Grant operations with every key that has the tag, now or later."""
        body = self.read(NewTagGrantSerializer)
        tag = body.pop("tag")
        grant = services.grant_tag(principal=self.principal, tag=tag, request=GrantRequest(**body))
        return Response(GrantSerializer(grant).data, status=HTTPStatus.CREATED)


class TagGrantView(DeleteView[Principal]):
    """Remove a grant on a tag. No process uses it after this response."""

    rules = {"DELETE": Rule(MANAGE, actions.GRANT_REMOVED)}
    object_reference = ("grant", "grant_id")
    remove = services.remove_grant


class AccessView(KeyView):
    rules = {"GET": Rule(READ, actions.ACCESS_CHECKED)}

    @extend_schema(parameters=[AccessQuerySerializer], responses=AccessSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        """Whether a user or service account may do an operation with the key now, and the rule that decides."""
        query = self.read_query(AccessQuerySerializer)
        verdict = services.check_access(
            principal=self.principal,
            key_id=key_id,
            holder_id=query["principal"],
            operation=query["operation"],
            client_ip=canonical_address(query.get("client_ip", "")),
        )
        return Response(AccessSerializer(verdict).data)
