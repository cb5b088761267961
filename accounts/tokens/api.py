"""REST interface for the public keys that verify access tokens."""

from collections.abc import Sequence

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import actions
from accounts.principals import Principal
from accounts.tokens import signing_keys
from kernel.clock import database_now
from kernel.rest.views import ApiView
from kernel.rules import PUBLIC, Rule


class JwksView(ApiView[Principal]):
    """The public keys that verify access tokens (RFC 7517), including the next key."""

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    rules = {"GET": Rule(PUBLIC, actions.SIGNING_KEYS_READ)}

    @extend_schema(operation_id="jwks_read", responses=OpenApiTypes.OBJECT)
    def get(self, _request: Request) -> Response:
        age = int(signing_keys.JWKS_MAX_AGE.total_seconds())
        headers = {"Cache-Control": f"public, max-age={age}"}
        return Response(signing_keys.jwks(database_now()), headers=headers)
