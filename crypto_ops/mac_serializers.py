"""Serializers of MACs."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from crypto_ops.requests import MAX_MAC_BYTES
from kernel.rest import Base64Field, MacModeField, StrictSerializer
from keys.metadata import MAX_VERSION
from keys.rest_references import KeyReferenceField


class MacSerializer(StrictSerializer):
    key_id = KeyReferenceField()
    message = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES)


class VerifyMacSerializer(MacSerializer):
    mac = Base64Field(max_bytes=MAX_MAC_BYTES)
    key_version = serializers.IntegerField(
        min_value=1,
        max_value=MAX_VERSION,
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
