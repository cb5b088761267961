"""The REST interface to certificate signing requests."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crypto_ops import actions, csr
from crypto_ops.csr import CsrRequest
from kernel.crypto.certificate_requests import RequestedNames
from kernel.crypto.modes import find_signing_mode
from kernel.rest import LabelField, Rule, SigningModeField, StrictSerializer, represent
from keys.references import KeyReference
from keys.rest_references import KeyReferenceView

MAX_SUBJECT = 500
MAX_NAMES = 100
MAX_NAME = 253


class CsrSerializer(StrictSerializer):
    subject = LabelField(max_length=MAX_SUBJECT, help_text="RFC 4514, such as CN=www.example.org,O=Example")
    san = serializers.ListField(
        child=LabelField(max_length=MAX_NAME),
        max_length=MAX_NAMES,
        required=False,
        help_text="DNS names, IP addresses, e-mail addresses and URIs",
    )
    signing_algorithm = SigningModeField(
        max_length=50, required=False, help_text="the key's default one unless given"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name = attrs.get("signing_algorithm")
        return {
            "names": RequestedNames.parse(attrs["subject"], attrs.get("san", [])),
            "mode": None if name is None else find_signing_mode(name),
        }


class SignedCsrSerializer(serializers.Serializer[Any]):
    pem = serializers.CharField(help_text="PKCS #10")
    signing_algorithm = SigningModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class CsrView(KeyReferenceView):
    """Sign a request for a certificate of the key's primary version."""

    rules = {"POST": Rule("crypto.sign", actions.CSR_SIGNED)}
    object_reference = ("key", "key_id")

    @extend_schema(request=CsrSerializer, responses=SignedCsrSerializer)
    def post(self, _request: Request, key_id: KeyReference) -> Response:
        found: UUID = self.key_id_of(key_id)
        wanted = CsrRequest(key_id=found, **self.read(CsrSerializer))
        return Response(represent(SignedCsrSerializer, csr.sign_csr(wanted, self.principal)))
