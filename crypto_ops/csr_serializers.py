"""Serializers of certificate signing requests."""

from typing import Any

from rest_framework import serializers

from kernel.crypto.certificate_requests import RequestedNames
from kernel.crypto.modes import find_signing_mode
from kernel.rest import LabelField, SigningModeField, StrictSerializer

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
