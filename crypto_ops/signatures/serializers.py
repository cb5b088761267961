"""Serializers of signatures, MACs, JWTs and certificate signing requests."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crypto_ops.encryption.serializers import TextField
from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_ITEMS, MAX_MAC_BYTES, MAX_REFERENCE, MAX_SIGNATURE_BYTES
from crypto_ops.signatures.services.jwts import header_of, payload_of
from crypto_ops.signatures.services.signatures import require_encoding
from kernel.crypto.certificate_requests import RequestedNames
from kernel.crypto.modes import find_signing_mode
from kernel.rest.fields import (
    Base64Field,
    ChoiceField,
    LabelField,
    MacModeField,
    SigningModeField,
    StrictSerializer,
)
from kernel.rest.schema import ProblemMembersSerializer
from keys.reading.rest_references import KeyReferenceField, VersionField

ENCODINGS = ("der", "raw")


class SignSerializer(StrictSerializer):
    """``message``, or with ECDSA and RSA its ``digest``."""

    key_id = KeyReferenceField()
    signing_algorithm = SigningModeField(max_length=50)
    message = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES, required=False)
    digest = Base64Field(max_bytes=MAX_DIGEST_BYTES, required=False)
    encoding = ChoiceField(ENCODINGS, required=False, help_text="of an ECDSA signature; der unless given")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs, "mode": find_signing_mode(attrs["signing_algorithm"])}


class VerifySerializer(SignSerializer):
    signature = Base64Field(max_bytes=MAX_SIGNATURE_BYTES)
    key_version = VersionField(
        required=False,
        help_text="without it, the versions are tried from the newest to the oldest",
    )


class SignatureSerializer(serializers.Serializer[Any]):
    signature = Base64Field(max_bytes=MAX_SIGNATURE_BYTES)
    signing_algorithm = SigningModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class VerificationSerializer(serializers.Serializer[Any]):
    """``key_version``: the version that signed, or the one of the request; null if no version signed this."""

    valid = serializers.BooleanField(source="is_valid")
    signing_algorithm = SigningModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField(allow_null=True)


class SignItemSerializer(StrictSerializer):
    """``message`` or ``digest`` in base64. An item that cannot be decoded does not affect the others."""

    message = TextField(required=False)
    digest = TextField(required=False)
    reference = TextField(max_length=MAX_REFERENCE, required=False)


class VerifyItemSerializer(SignItemSerializer):
    """``key_version`` is required if the key has several versions."""

    signature = TextField()
    key_version = VersionField(required=False)


class SignBatchSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    signing_algorithm = SigningModeField(max_length=50)
    items = serializers.ListField(child=SignItemSerializer(), min_length=1, max_length=MAX_ITEMS)
    encoding = ChoiceField(ENCODINGS, required=False, help_text="of ECDSA signatures; der unless given")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        mode = find_signing_mode(attrs["signing_algorithm"])
        require_encoding(mode, attrs.get("encoding"))
        return {**attrs, "mode": mode}


class VerifyBatchSerializer(SignBatchSerializer):
    items = serializers.ListField(child=VerifyItemSerializer(), min_length=1, max_length=MAX_ITEMS)


class SignedItemSerializer(serializers.Serializer[Any]):
    """``signature``, or the ``problem`` of this item alone."""

    signature = serializers.CharField(required=False)
    problem = ProblemMembersSerializer(required=False)
    reference = serializers.CharField(required=False)


class VerifiedItemSerializer(serializers.Serializer[Any]):
    """``valid``, or the ``problem`` of this item alone."""

    valid = serializers.BooleanField(required=False)
    problem = ProblemMembersSerializer(required=False)
    reference = serializers.CharField(required=False)


class SignedBatchSerializer(serializers.Serializer[Any]):
    signing_algorithm = SigningModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    results = SignedItemSerializer(many=True)


class VerifiedBatchSerializer(serializers.Serializer[Any]):
    signing_algorithm = SigningModeField()
    key_id = serializers.UUIDField()
    results = VerifiedItemSerializer(many=True)


class MacSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    message = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES)


class VerifyMacSerializer(MacSerializer):
    mac = Base64Field(max_bytes=MAX_MAC_BYTES)
    key_version = VersionField(
        required=False,
        help_text="without it, the versions are tried from the newest to the oldest",
    )


class ComputedMacSerializer(serializers.Serializer[Any]):
    mac = Base64Field(max_bytes=MAX_MAC_BYTES)
    algorithm = MacModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


class MacVerificationSerializer(serializers.Serializer[Any]):
    """``key_version``: the version that computed the MAC, or the one of the request; null if none did."""

    valid = serializers.BooleanField(source="is_valid")
    algorithm = MacModeField(source="mode.name")
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField(allow_null=True)


class MacItemSerializer(StrictSerializer):
    """``message`` in base64. An item that cannot be decoded does not affect the others."""

    message = TextField()
    reference = TextField(max_length=MAX_REFERENCE, required=False)


class VerifyMacItemSerializer(MacItemSerializer):
    """``key_version`` is required if the key has several versions."""

    mac = TextField()
    key_version = VersionField(required=False)


class MacBatchSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    items = serializers.ListField(child=MacItemSerializer(), min_length=1, max_length=MAX_ITEMS)


class VerifyMacBatchSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    items = serializers.ListField(child=VerifyMacItemSerializer(), min_length=1, max_length=MAX_ITEMS)


class ComputedItemSerializer(serializers.Serializer[Any]):
    """``mac``, or the ``problem`` of this item alone."""

    mac = serializers.CharField(required=False)
    problem = ProblemMembersSerializer(required=False)
    reference = serializers.CharField(required=False)


class ComputedMacBatchSerializer(serializers.Serializer[Any]):
    algorithm = MacModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    results = ComputedItemSerializer(many=True)


class VerifiedMacBatchSerializer(serializers.Serializer[Any]):
    algorithm = MacModeField()
    key_id = serializers.UUIDField()
    results = VerifiedItemSerializer(many=True)


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
