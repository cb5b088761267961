"""REST interface for roles."""

from http import HTTPStatus
from typing import cast

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.custom_roles import services
from accounts.custom_roles.serializers import NewRoleSerializer, RoleChangesSerializer, RoleSerializer
from accounts.custom_roles.services import ListedRole
from accounts.principals import Principal
from accounts.roles import MANAGES_USERS
from kernel.rest.idempotency import idempotent
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.preconditions import ETAG, IF_MATCH, etag_of, if_match
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule


class RoleListView(ApiView[Principal]):
    rules = {
        "GET": Rule("users.read", actions.ROLE_LISTED),
        "POST": Rule(MANAGES_USERS, actions.ROLE_CREATED),
    }

    @extend_schema(
        operation_id="roles_list", parameters=[PageQuery], responses=page_serializer(RoleSerializer)
    )
    def get(self, _request: Request) -> Response:
        """All roles: the built-in ones, and then the others by name."""
        self.read_query(PageQuery)
        return self.page(services.list_roles(principal=self.principal), RoleSerializer)

    @idempotent()
    @extend_schema(request=NewRoleSerializer, parameters=[LOCATION], responses={201: RoleSerializer})
    def post(self, _request: Request) -> Response:
        """Create a role. It has no permission that you lack, beyond those of a developer."""
        role = services.create_role(principal=self.principal, **self.read(NewRoleSerializer))
        location = reverse("api-role", kwargs={"name": role.name})
        listed = ListedRole(role.rights, role.description, role)
        return Response(
            RoleSerializer(listed).data, status=HTTPStatus.CREATED, headers={"Location": location}
        )


class RoleView(ApiView[Principal]):
    rules = {
        "GET": Rule("users.read", actions.ROLE_READ),
        "PATCH": Rule(MANAGES_USERS, actions.ROLE_CHANGED),
        "DELETE": Rule(MANAGES_USERS, actions.ROLE_DELETED),
    }
    object_reference = ("role", "name")

    @extend_schema(parameters=[ETAG], responses=RoleSerializer)
    def get(self, _request: Request, name: str) -> Response:
        """One role."""
        return _with_etag(services.get_role(principal=self.principal, name=name))

    @extend_schema(request=RoleChangesSerializer, parameters=[IF_MATCH, ETAG], responses=RoleSerializer)
    def patch(self, request: Request, name: str) -> Response:
        """Change a role. The new rights of its holders apply at once. A built-in role cannot change."""
        given = self.read(RoleChangesSerializer)
        role = services.update_role(
            principal=self.principal,
            name=name,
            reason=given.pop("reason", ""),
            changes=cast("services.RoleFields", given),
            check=if_match(request),
        )
        return _with_etag(ListedRole(role.rights, role.description, role))

    @extend_schema(responses={204: None})
    def delete(self, _request: Request, name: str) -> Response:
        """Delete a role that no user, service account or grant has."""
        services.delete_role(principal=self.principal, name=name)
        return Response(status=HTTPStatus.NO_CONTENT)


def _with_etag(listed: ListedRole) -> Response:
    headers = {} if listed.role is None else {"ETag": etag_of(listed.role.row_seq)}
    return Response(RoleSerializer(listed).data, headers=headers)
