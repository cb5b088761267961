"""The REST interface to data keys, derived keys and shared secrets."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions
from crypto_ops.items.api import MessageView
from crypto_ops.secrets import wire
from crypto_ops.secrets.serializers import (
    DerivedKeySerializer,
    EncapsulatedSerializer,
    GeneratedDataKeySerializer,
    SharedSecretSerializer,
)
from crypto_ops.secrets.services import data_keys, derivations, shared_secrets
from kernel.rest.derived import serializer_of
from kernel.rest.fields import represent
from kernel.rules import Rule


class DataKeyView(MessageView):
    """Generate a data key or a key pair, encrypted with the primary version of a key."""

    rules = {"POST": Rule("crypto.data_key", actions.DATA_KEY_GENERATED)}

    @extend_schema(request=serializer_of(wire.DataKey), responses=GeneratedDataKeySerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.DataKey, wire.data_key_request)
        return Response(wire.data_key_answer(data_keys.generate_data_key(wanted, self.principal)))


class DeriveView(MessageView):
    """Derive a key from a symmetric key and a context. Equal requests give equal keys."""

    rules = {"POST": Rule("crypto.derive", actions.KEY_DERIVED)}

    @extend_schema(request=serializer_of(wire.Derive), responses=DerivedKeySerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Derive, wire.derivation_request)
        return Response(represent(DerivedKeySerializer, derivations.derive_key(wanted, self.principal)))


class EncapsulateView(MessageView):
    """Make a secret, and encapsulate it to the primary version of a key."""

    rules = {"POST": Rule("crypto.encapsulate", actions.ENCAPSULATED)}

    @extend_schema(request=serializer_of(wire.Encapsulate), responses=EncapsulatedSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Encapsulate, wire.encapsulate_request)
        return Response(represent(EncapsulatedSerializer, shared_secrets.encapsulate(wanted, self.principal)))


class DecapsulateView(MessageView):
    """Get an encapsulated secret."""

    rules = {"POST": Rule("crypto.decapsulate", actions.DECAPSULATED)}

    @extend_schema(request=serializer_of(wire.Decapsulate), responses=SharedSecretSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Decapsulate, wire.decapsulate_request)
        return Response(represent(SharedSecretSerializer, shared_secrets.decapsulate(wanted, self.principal)))


class AgreeView(MessageView):
    """Get the secret that a key shares with the key of another party."""

    rules = {"POST": Rule("crypto.agree", actions.AGREED)}

    @extend_schema(request=serializer_of(wire.Agree), responses=SharedSecretSerializer)
    def post(self, _request: Request) -> Response:
        wanted = self.read_request(wire.Agree, wire.agree_request)
        return Response(represent(SharedSecretSerializer, shared_secrets.agree(wanted, self.principal)))
