"""The REST interface to shared secrets."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, shared_secrets
from crypto_ops.api import OperationView
from crypto_ops.secret_serializers import (
    AgreeSerializer,
    DecapsulateSerializer,
    EncapsulatedSerializer,
    EncapsulateSerializer,
    SharedSecretSerializer,
)
from crypto_ops.shared_secrets import AgreeRequest, DecapsulateRequest, EncapsulateRequest
from kernel.rest import Rule, represent
from keys.reading.rest_references import KeyReferenceView


class EncapsulateView(OperationView, KeyReferenceView):
    """Make a secret, and encapsulate it to the primary version of a key."""

    rules = {"POST": Rule("crypto.encapsulate", actions.ENCAPSULATED)}

    @extend_schema(request=EncapsulateSerializer, responses=EncapsulatedSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(EncapsulateSerializer)
        wanted = EncapsulateRequest(key_id=self.key_id_of(attrs["key_id"]))
        return Response(represent(EncapsulatedSerializer, shared_secrets.encapsulate(wanted, self.principal)))


class DecapsulateView(OperationView, KeyReferenceView):
    """Get an encapsulated secret."""

    rules = {"POST": Rule("crypto.decapsulate", actions.DECAPSULATED)}

    @extend_schema(request=DecapsulateSerializer, responses=SharedSecretSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(DecapsulateSerializer)
        wanted = DecapsulateRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            key_version=attrs["key_version"],
            ciphertext=attrs["ciphertext"],
        )
        return Response(represent(SharedSecretSerializer, shared_secrets.decapsulate(wanted, self.principal)))


class AgreeView(OperationView, KeyReferenceView):
    """Get the secret that a key shares with the key of another party."""

    rules = {"POST": Rule("crypto.agree", actions.AGREED)}

    @extend_schema(request=AgreeSerializer, responses=SharedSecretSerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(AgreeSerializer)
        wanted = AgreeRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            public_key=attrs["public_key"],
            key_version=attrs.get("key_version"),
        )
        return Response(represent(SharedSecretSerializer, shared_secrets.agree(wanted, self.principal)))
