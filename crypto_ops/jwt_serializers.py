"""Serializers of JWTs."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crypto_ops.jwts import header_of, payload_of
from kernel.crypto.modes import find_signing_mode
from kernel.rest import SigningModeField, StrictSerializer
from keys.reading.rest_references import KeyReferenceField


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.Field[dict[str, Any], Any, dict[str, Any], dict[str, Any]]):
    """Any JSON object, unchanged."""

    default_error_messages = {"invalid": "Expected an object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        return data


class SignJwtSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    claims = ObjectField()
    header = ObjectField(required=False, help_text="typ, cty and private members")
    signing_algorithm = SigningModeField(
        max_length=50, required=False, help_text="the key's default one unless given"
    )
    fully_specified = serializers.BooleanField(
        default=False, help_text="the names of RFC 9864 as alg: Ed25519 and Ed448 instead of EdDSA"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        name = attrs.get("signing_algorithm")
        return {
            "key_id": attrs["key_id"],
            "payload": payload_of(attrs["claims"]),
            "header": header_of(attrs.get("header", {})),
            "mode": None if name is None else find_signing_mode(name),
            "fully_specified": attrs["fully_specified"],
        }


class SignedJwtSerializer(serializers.Serializer[Any]):
    jwt = serializers.CharField(help_text="RFC 7515, compact")
    kid = serializers.CharField(help_text="of the JWK of the version")
    signing_algorithm = SigningModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
