"""REST interface for authentication: sign-in, refresh and sign-out."""

from http import HTTPStatus

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.rest import CredentialView
from accounts.sessions.services import sessions
from accounts.sign_in import services
from accounts.sign_in.serializers import (
    LoggedInSerializer,
    LogInSerializer,
    LogOutSerializer,
    RefreshSerializer,
    TokenPairSerializer,
)
from accounts.tokens.authentication import name_actor, naming_holder, origin_of
from kernel.rules import PUBLIC, Rule


class SignInView(CredentialView):
    """Issue tokens for a username, a password and, if an authenticator is enrolled, its code."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_OPENED)}

    @extend_schema(request=LogInSerializer, responses=LoggedInSerializer)
    def post(self, request: Request) -> Response:
        body = self.read(LogInSerializer)
        origin = origin_of(request)
        # Record the username with a refusal only if an account has it, because it may be a mistyped password.
        name_actor(request, origin.anonymous(services.known_username(body["username"])))
        pair = services.sign_in(
            username=body["username"],
            password=body["password"],
            totp_code=body.get("totp_code") or "",
            origin=origin,
        )
        return Response(LoggedInSerializer(pair).data)


class RefreshView(CredentialView):
    """Exchange an unused refresh token for a new pair. Reusing a token after more than 10 seconds ends its session."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_REFRESHED)}

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        body = self.read(RefreshSerializer)
        with naming_holder(request):
            pair = sessions.refresh(refresh_token=body["refresh_token"], origin=origin_of(request))
        return Response(TokenPairSerializer(pair).data)


class SignOutView(CredentialView):
    """End the session of a refresh token, or all sessions of its user."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_CLOSED)}

    @extend_schema(request=LogOutSerializer, responses={HTTPStatus.NO_CONTENT: None})
    def post(self, request: Request) -> Response:
        body = self.read(LogOutSerializer)
        with naming_holder(request):
            sessions.sign_out(**body, origin=origin_of(request))
        return Response(status=HTTPStatus.NO_CONTENT)
