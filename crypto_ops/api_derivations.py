"""The REST interface to derived keys."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, derivations
from crypto_ops.api import OperationView
from crypto_ops.derivation_serializers import DerivedKeySerializer, DeriveSerializer
from crypto_ops.derivations import DerivationRequest
from kernel.rest import Rule, represent
from keys.reading.rest_references import KeyReferenceView


class DeriveView(OperationView, KeyReferenceView):
    """Derive a key from a symmetric key and a context. Equal requests give equal keys."""

    rules = {"POST": Rule("crypto.derive", actions.KEY_DERIVED)}

    @extend_schema(request=DeriveSerializer, responses=DerivedKeySerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(DeriveSerializer)
        wanted = DerivationRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            context=attrs["context"],
            size=attrs["size"],
            key_version=attrs.get("key_version"),
        )
        return Response(represent(DerivedKeySerializer, derivations.derive_key(wanted, self.principal)))
