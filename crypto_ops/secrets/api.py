"""The REST interface to data keys, derived keys and shared secrets."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.deciding.api import OperationView
from crypto_ops.secrets.serializers import (
    AgreeSerializer,
    DataKeySerializer,
    DecapsulateSerializer,
    DerivedKeySerializer,
    DeriveSerializer,
    EncapsulatedSerializer,
    EncapsulateSerializer,
    GeneratedDataKeySerializer,
    SharedSecretSerializer,
)
from crypto_ops.secrets.services import data_keys, derivations, shared_secrets
from crypto_ops.secrets.services.data_keys import DataKeyRequest
from crypto_ops.secrets.services.derivations import DerivationRequest
from crypto_ops.secrets.services.shared_secrets import AgreeRequest, DecapsulateRequest, EncapsulateRequest
from crypto_ops.secrets.wire import data_key_answer
from kernel.rest.fields import represent
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView


class DataKeyView(OperationView, KeyReferenceView):
    """Generate a data key or a key pair, encrypted with the primary version of a key."""

    rules = {"POST": Rule("crypto.data_key", actions.DATA_KEY_GENERATED)}

    @extend_schema(request=DataKeySerializer, responses=GeneratedDataKeySerializer)
    def post(self, _request: Request) -> Response:
        attrs = self.read(DataKeySerializer)
        wanted = DataKeyRequest(
            key_id=self.key_id_of(attrs["key_id"]),
            contents=attrs["contents"],
            mode=attrs["mode"],
            aad=attrs.get("aad", b""),
            is_disclosed=attrs.get("plaintext", True),
        )
        return Response(data_key_answer(data_keys.generate_data_key(wanted, self.principal)))


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
