"""Serializers of signatures."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from crypto_ops.requests import MAX_DIGEST_BYTES, MAX_SIGNATURE_BYTES
from kernel.crypto.modes import find_signing_mode
from kernel.rest import Base64Field, SigningModeField, StrictSerializer
from keys.metadata import MAX_VERSION
from keys.rest_references import KeyReferenceField

ENCODINGS = ("der", "raw")


class SignSerializer(StrictSerializer):
    """``message``, or with ECDSA and RSA its ``digest``."""

    key_id = KeyReferenceField()
    signing_algorithm = SigningModeField(max_length=50)
    message = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES, required=False)
    digest = Base64Field(max_bytes=MAX_DIGEST_BYTES, required=False)
    encoding = serializers.ChoiceField(
        ENCODINGS, required=False, help_text="of an ECDSA signature; der unless given"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {**attrs, "mode": find_signing_mode(attrs["signing_algorithm"])}


class VerifySerializer(SignSerializer):
    signature = Base64Field(max_bytes=MAX_SIGNATURE_BYTES)
    key_version = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
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
