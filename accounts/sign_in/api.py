"""REST interface for authentication: sign-in, refresh, sign-out, password change, and the public signing keys."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.principals import Principal
from accounts.sessions.services import sessions
from accounts.sign_in import services as sign_in
from accounts.sign_in.serializers import (
    LoggedInSerializer,
    LogInSerializer,
    LogOutSerializer,
    RefreshSerializer,
    TokenPairSerializer,
)
from accounts.tokens import signing_keys
from accounts.tokens.authentication import name_actor, naming_holder, origin_of
from accounts.users.serializers import MeSerializer, PasswordSerializer
from accounts.users.services import editing
from kernel import throttle
from kernel.clock import database_now
from kernel.http.context import in_context
from kernel.rest.views import ApiView
from kernel.rules import AUTHENTICATED, PUBLIC, Rule


class AuthView(ApiView[Principal]):
    """Base class of ``/auth/`` endpoints: rate limited per client address, with small request bodies."""

    max_body_bytes = 16 * 1024

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        throttle.check_address(in_context(request), group="auth", rate=settings.CC_THROTTLE_AUTH)


class CredentialView(AuthView):
    """Base class of endpoints that authenticate by the request body. They ignore a stale Authorization header."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()


class LogInView(CredentialView):
    """Issue tokens for a username, a password and, if an authenticator is enrolled, its code."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_OPENED)}

    @extend_schema(request=LogInSerializer, responses=LoggedInSerializer)
    def post(self, request: Request) -> Response:
        body = self.read(LogInSerializer)
        origin = origin_of(request)
        # Record the username with a refusal only if an account has it, because it may be a mistyped password.
        name_actor(request, origin.anonymous(sign_in.known_username(body["username"])))
        pair = sign_in.log_in(
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
        origin = origin_of(request)
        with naming_holder(request, origin):
            pair = sessions.refresh(refresh_token=body["refresh_token"], origin=origin)
        return Response(TokenPairSerializer(pair).data)


class LogOutView(CredentialView):
    """End the session of a refresh token, or all sessions of its user."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_CLOSED)}

    @extend_schema(request=LogOutSerializer, responses={HTTPStatus.NO_CONTENT: None})
    def post(self, request: Request) -> Response:
        sessions.log_out(**self.read(LogOutSerializer), origin=origin_of(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class MeView(AuthView):
    """The caller, their sign-in method and time, and when the token expires."""

    rules = {"GET": Rule(AUTHENTICATED, actions.SESSION_READ)}

    @extend_schema(responses=MeSerializer)
    def get(self, _request: Request) -> Response:
        user = editing.get_own_user(principal=self.principal)
        return Response(MeSerializer(user, context={"view": self}).data)


class PasswordView(AuthView):
    """Change the caller's password and end all their sessions."""

    rules = {"POST": Rule(AUTHENTICATED, actions.PASSWORD_CHANGED)}

    @extend_schema(request=PasswordSerializer, responses={HTTPStatus.NO_CONTENT: None})
    def post(self, _request: Request) -> Response:
        editing.change_password(principal=self.principal, **self.read(PasswordSerializer))
        return Response(status=HTTPStatus.NO_CONTENT)


class JwksView(ApiView[Principal]):
    """The public keys that verify access tokens (RFC 7517), including the next key."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    rules = {"GET": Rule(PUBLIC, actions.SIGNING_KEYS_READ)}

    @extend_schema(operation_id="jwks_read", responses=OpenApiTypes.OBJECT)
    def get(self, _request: Request) -> Response:
        age = int(signing_keys.JWKS_MAX_AGE.total_seconds())
        headers = {"Cache-Control": f"public, max-age={age}"}
        return Response(signing_keys.jwks(database_now()), headers=headers)
