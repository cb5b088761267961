"""Serializers of MACs."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from crypto_ops.requests import MAX_ITEMS, MAX_MAC_BYTES, MAX_REFERENCE
from crypto_ops.serializers import TextField
from crypto_ops.signature_serializers import VerifiedItemSerializer
from kernel.rest import Base64Field, MacModeField, StrictSerializer
from kernel.rest.schema import ProblemMembersSerializer
from keys.reading.rest_references import KeyReferenceField, VersionField


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
