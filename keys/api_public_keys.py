"""REST interface for public keys."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.rest.fields import KeyAlgorithmField, SigningModeField, StrictSerializer, represent
from kernel.rules import Rule
from keys import actions
from keys.reading.api import KeyView
from keys.reading.rest_references import VersionField
from keys.transport.jose import AlgChoice
from keys.transport.public_keys import PublicKey
from keys.transport.services import public_keys


class KeySetQuery(StrictSerializer):
    """Which ``alg`` the JWKs have. ``keys.services`` compares it with the modes of the key."""

    signing_algorithm = SigningModeField(
        max_length=50, required=False, help_text="for keys with several, such as RSA keys"
    )
    fully_specified = serializers.BooleanField(
        default=False, help_text="the names of RFC 9864: Ed25519 and Ed448 instead of EdDSA"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        choice = AlgChoice(attrs.pop("signing_algorithm", None), attrs.pop("fully_specified"))
        return {**attrs, "choice": choice}


class PublicKeyQuery(KeySetQuery):
    version = VersionField(required=False, help_text="the primary version unless given")


class PublicKeySerializer(serializers.Serializer[PublicKey]):
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    algorithm = KeyAlgorithmField()
    fingerprint = serializers.CharField(
        help_text="SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits"
    )
    pem = serializers.CharField(help_text="SubjectPublicKeyInfo")
    jwk = serializers.DictField(help_text="RFC 7517")


class KeySetSerializer(serializers.Serializer[Any]):
    keys = serializers.ListField(child=serializers.DictField(), help_text="JWKs (RFC 7517), the newest first")


class PublicKeyView(KeyView):
    """The public key of one version of an asymmetric key."""

    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}

    @extend_schema(parameters=[PublicKeyQuery], responses=PublicKeySerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        query = self.read_query(PublicKeyQuery)
        found = public_keys.get_public_key(principal=self.principal, key_id=key_id, **query)
        return Response(represent(PublicKeySerializer, found))


class KeySetView(KeyView):
    """The public keys of an asymmetric key as a JWK Set: the versions that may verify, or that may decrypt."""

    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}

    @extend_schema(parameters=[KeySetQuery], responses=KeySetSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        query = self.read_query(KeySetQuery)
        found = public_keys.list_public_keys(principal=self.principal, key_id=key_id, **query)
        return Response({"keys": [each.jwk for each in found]})
