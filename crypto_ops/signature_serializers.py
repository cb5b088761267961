"""Serializers of signatures."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_ITEMS, MAX_REFERENCE, MAX_SIGNATURE_BYTES
from crypto_ops.serializers import TextField
from crypto_ops.signatures import require_encoding
from kernel.crypto.modes import find_signing_mode
from kernel.rest import Base64Field, ChoiceField, SigningModeField, StrictSerializer
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
