"""The authentication door: log-in, refresh, log-out, one's own password, and the tokens' public keys."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions, services, signing_keys
from accounts.authentication import name_actor, origin_of
from accounts.principals import Principal
from accounts.serializers import (
    LoggedInSerializer,
    LogInSerializer,
    LogOutSerializer,
    MeSerializer,
    PasswordSerializer,
    RefreshSerializer,
    TokenPairSerializer,
)
from kernel import throttle
from kernel.clock import database_now
from kernel.http.context import in_context
from kernel.rest import AUTHENTICATED, PUBLIC, ApiView, Rule


class AuthView(ApiView[Principal]):
    """An endpoint of ``/auth/``: each request counts for its client's address, and is small."""

    max_body_bytes = 16 * 1024

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        throttle.check_address(in_context(request), group="auth", rate=settings.CC_THROTTLE_AUTH)


class CredentialView(AuthView):
    """An endpoint that proves who is asking by its body: a stale Authorization header does no harm."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()


class LogInView(CredentialView):
    """Tokens for a name, a password and, where an authenticator is enrolled, its code."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_OPENED)}

    @extend_schema(request=LogInSerializer, responses=LoggedInSerializer)
    def post(self, request: Request) -> Response:
        body = self.read(LogInSerializer)
        origin = origin_of(request)
        # For the record of a refusal: the name only where an account has it, for it may be a password.
        name_actor(request, origin.anonymous(services.known_username(body["username"])))
        pair = services.log_in(
            username=body["username"],
            password=body["password"],
            totp_code=body.get("totp_code") or "",
            origin=origin,
        )
        return Response(LoggedInSerializer(pair).data)


class RefreshView(CredentialView):
    """A new pair for an unused refresh token; a used one ends its session."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_REFRESHED)}

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        body = self.read(RefreshSerializer)
        pair = services.refresh(refresh_token=body["refresh_token"], origin=origin_of(request))
        return Response(TokenPairSerializer(pair).data)


class LogOutView(CredentialView):
    """End the session of a refresh token, or every session of its user."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_CLOSED)}

    @extend_schema(request=LogOutSerializer, responses={HTTPStatus.NO_CONTENT: None})
    def post(self, request: Request) -> Response:
        services.log_out(**self.read(LogOutSerializer), origin=origin_of(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class MeView(AuthView):
    """Who the token stands for, how he logged in, and until when the token lives."""

    rules = {"GET": Rule(AUTHENTICATED, actions.SESSION_READ)}

    @extend_schema(responses=MeSerializer)
    def get(self, _request: Request) -> Response:
        user = services.get_own_user(principal=self.principal)
        return Response(MeSerializer(user, context={"view": self}).data)


class PasswordView(AuthView):
    """Change one's own password, which ends every session."""

    rules = {"POST": Rule(AUTHENTICATED, actions.PASSWORD_CHANGED)}

    @extend_schema(request=PasswordSerializer, responses={HTTPStatus.NO_CONTENT: None})
    def post(self, _request: Request) -> Response:
        services.change_password(principal=self.principal, **self.read(PasswordSerializer))
        return Response(status=HTTPStatus.NO_CONTENT)


class JwksView(ApiView[Principal]):
    """The keys that verify access tokens (RFC 7517), the coming one included."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    rules = {"GET": Rule(PUBLIC, actions.SIGNING_KEYS_READ)}

    @extend_schema(operation_id="jwks_read", responses=OpenApiTypes.OBJECT)
    def get(self, _request: Request) -> Response:
        age = int(signing_keys.JWKS_MAX_AGE.total_seconds())
        headers = {"Cache-Control": f"public, max-age={age}"}
        return Response(signing_keys.jwks(database_now()), headers=headers)
