"""Serializers of bodies without a key, and of responses. Those of the other bodies are made from ``wire``."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from crypto_ops.encryption.fields import CiphertextField
from crypto_ops.items.serializers import batch_serializer, item_serializer
from crypto_ops.requests import MAX_TAG_BYTES
from kernel.rest.fields import Base64Field, ModeField, StrictSerializer


class InspectSerializer(StrictSerializer):
    ciphertext = CiphertextField()


class EncryptedSerializer(serializers.Serializer[Any]):
    """The specification's parts, the version, and the self-describing ciphertext."""

    encrypted_data = Base64Field(max_bytes=settings.CC_MAX_BODY_BYTES)
    iv = Base64Field(max_bytes=MAX_TAG_BYTES)
    tag = Base64Field(max_bytes=MAX_TAG_BYTES)
    algorithm = ModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    ciphertext = CiphertextField()


class DecryptedSerializer(serializers.Serializer[Any]):
    data = Base64Field(max_bytes=settings.CC_MAX_PLAINTEXT_BYTES)  # type: ignore[assignment]  # DRF takes declared fields off the class
    algorithm = ModeField()
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()


EncryptedItemSerializer = item_serializer("EncryptedItem", "ciphertext")
EncryptedBatchSerializer = batch_serializer(
    "EncryptedBatch", EncryptedItemSerializer, has_version=True, algorithm=ModeField()
)
DecryptedBatchSerializer = batch_serializer(
    "DecryptedBatch",
    item_serializer("DecryptedItem", "data"),
    algorithm=ModeField(),
)


class InspectionSerializer(serializers.Serializer[Any]):
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField()
    algorithm = ModeField()
    state = serializers.CharField()
    status = serializers.CharField()
    version_state = serializers.CharField()
    may_decrypt = serializers.BooleanField()
