"""The REST interface to JWTs."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, jwts
from crypto_ops.api import OperationView
from crypto_ops.jwt_serializers import SignedJwtSerializer, SignJwtSerializer
from crypto_ops.jwts import JwtRequest
from kernel.rest import Rule, represent
from keys.reading.rest_references import KeyReferenceView


class SignJwtView(OperationView, KeyReferenceView):
    """Sign claims as a JWT with the primary version of a key."""

    rules = {"POST": Rule("crypto.jwt", actions.JWT_SIGNED)}

    @extend_schema(request=SignJwtSerializer, responses=SignedJwtSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(SignJwtSerializer)
        wanted = JwtRequest(**{**attrs, "key_id": self.key_id_of(attrs["key_id"])})
        return Response(represent(SignedJwtSerializer, jwts.sign_jwt(wanted, self.principal)))
