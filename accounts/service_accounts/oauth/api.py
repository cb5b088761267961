"""The OAuth2 token endpoint for service accounts: client credentials (RFC 6749 sections 4.4 and 5)."""

import base64
import binascii
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_plus

from django.http import HttpResponse, QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.errors import TokenRequestRefused
from accounts.rest import CredentialView
from accounts.roles import permission_of, word_of
from accounts.service_accounts.oauth.serializers import (
    IssuedTokenSerializer,
    TokenErrorSerializer,
    TokenRequestSerializer,
)
from accounts.service_accounts.services.tokens import issue_token
from accounts.tokens.authentication import naming_holder, origin_of
from kernel import errors
from kernel.http.context import in_context, set_audit_object
from kernel.http.problems import ProtocolError, status_of
from kernel.identities import parse_uuid
from kernel.rest.exceptions import translate
from kernel.rules import PUBLIC, Rule

_GRANT_TYPE: Final = "client_credentials"
_MAX_LENGTH: Final = 2000  # characters of one parameter


class OAuthTokenView(CredentialView):
    """Issue a short-lived token to a service account. Accepts client_id and client_secret in the body or as Basic."""

    parser_classes = [FormParser]
    error_format = (TokenErrorSerializer, "application/json", "An error (RFC 6749 section 5.2).")
    rules = {"POST": Rule(PUBLIC, actions.SERVICE_TOKEN_ISSUED)}

    @extend_schema(
        request={"application/x-www-form-urlencoded": TokenRequestSerializer},
        responses=IssuedTokenSerializer,
        operation_id="oauth_token_create",
    )
    def post(self, request: Request) -> Response:
        form = _single_values(request.data)
        if form.get("grant_type", "") != _GRANT_TYPE:
            raise TokenRequestRefused("unsupported_grant_type", f"grant_type must be {_GRANT_TYPE}.")
        client_id, client_secret = _credentials(request, form)
        if parse_uuid(client_id):
            set_audit_object(request, "service_account", client_id)
        try:
            with naming_holder(request):
                created, lifetime = issue_token(
                    client_id=client_id,
                    client_secret=client_secret,
                    scopes=list(map(permission_of, form.get("scope", "").split())),
                    origin=origin_of(request),
                )
        except errors.Invalid as error:
            raise TokenRequestRefused("invalid_scope", error.detail) from None
        body = {
            "access_token": created.text,
            "token_type": "Bearer",
            "expires_in": int(lifetime.total_seconds()),
            "scope": " ".join(map(word_of, created.token.scopes)),
        }
        return Response(body)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]  # any response will do
        """The error format of RFC 6749 instead of a problem document, unless HTTP itself refuses the request."""
        error = translate(exc, self)
        if isinstance(error, ProtocolError):
            return super().handle_exception(exc)
        in_context(self.request).refusal = error
        body = {"error": _code_of(error), "error_description": error.detail}
        response = Response(body, status=int(status_of(error)))
        if isinstance(error, errors.Unauthenticated):
            response["WWW-Authenticate"] = 'Basic realm="ciphercanary"'
        if "retry_after" in error.extra:
            response["Retry-After"] = str(error.extra["retry_after"])
        return response


def _code_of(error: errors.DomainError) -> str:
    if isinstance(error, TokenRequestRefused):
        return error.error
    if isinstance(error, errors.Unauthenticated):
        return "invalid_client"
    if status_of(error) < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "invalid_request"
    return "temporarily_unavailable" if isinstance(error, errors.Unavailable) else "server_error"


def _single_values(form: Any) -> dict[str, str]:
    if not isinstance(form, QueryDict):
        raise TokenRequestRefused("invalid_request", "Send a form.")
    for name, values in form.lists():
        if len(values) > 1 or len(values[0]) > _MAX_LENGTH:
            raise TokenRequestRefused(
                "invalid_request", f"Send {name[:40]} only once, with at most {_MAX_LENGTH} characters."
            )
    return {name: values[0] for name, values in form.lists()}


def _credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """The client id and secret, from the Basic header or the body, but not from both (RFC 6749 section 2.3)."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise TokenRequestRefused(
            "invalid_request", "Send the client credentials once: as Basic authorization, or in the body."
        )
    try:
        client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise errors.Unauthenticated("The client credentials are not valid.") from None
    return unquote_plus(client_id), unquote_plus(client_secret)
