"""REST interface for the caller's sessions."""

from http import HTTPStatus

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.principals import Principal
from accounts.rest import AuthView
from accounts.sessions.serializers import SessionSerializer
from accounts.sessions.services import own_sessions
from kernel.rest.paging import PageQuery, page_serializer
from kernel.rest.views import DeleteView
from kernel.rules import AUTHENTICATED, Rule


class SessionsView(AuthView):
    """The caller's browser and API sessions, the current one first."""

    rules = {
        "GET": Rule(AUTHENTICATED, actions.SESSION_LISTED),
        "DELETE": Rule(AUTHENTICATED, actions.SESSION_REVOKED),
    }

    @extend_schema(
        operation_id="auth_sessions_list",
        parameters=[PageQuery],
        responses=page_serializer(SessionSerializer),
    )
    def get(self, _request: Request) -> Response:
        self.read_query(PageQuery)
        return self.page(own_sessions.list_sessions(principal=self.principal), SessionSerializer)

    @extend_schema(operation_id="auth_sessions_delete_others")
    def delete(self, _request: Request) -> Response:
        """End all sessions except the current one at once."""
        own_sessions.end_other_sessions(principal=self.principal)
        return Response(status=HTTPStatus.NO_CONTENT)


class SessionView(DeleteView[Principal], AuthView):
    """End one of the caller's sessions at once."""

    rules = {"DELETE": Rule(AUTHENTICATED, actions.SESSION_REVOKED)}
    object_reference = ("session", "session_id")
    remove = own_sessions.end_session
