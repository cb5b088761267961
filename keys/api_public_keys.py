"""REST interface for public keys."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.rest import KeyAlgorithmField, Rule, StrictSerializer, represent
from keys import actions, services
from keys.api import KeyView
from keys.public_keys import PublicKey
from keys.version_fields import VersionField


class PublicKeyQuery(StrictSerializer):
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
        version = self.read_query(PublicKeyQuery).get("version")
        found = services.get_public_key(principal=self.principal, key_id=key_id, version=version)
        return Response(represent(PublicKeySerializer, found))


class KeySetView(KeyView):
    """The public keys of an asymmetric key as a JWK Set: the versions that may verify, or that may decrypt."""

    rules = {"GET": Rule("keys.read", actions.PUBLIC_KEY_READ)}

    @extend_schema(responses=KeySetSerializer)
    def get(self, _request: Request, key_id: UUID) -> Response:
        found = services.list_public_keys(principal=self.principal, key_id=key_id)
        return Response({"keys": [each.jwk for each in found]})
