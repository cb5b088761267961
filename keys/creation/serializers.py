"""REST serializers for new keys. They check types and lengths only; the services validate values."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.crypto.algorithms import PURPOSES
from kernel.rest.fields import (
    LABEL_PATTERN,
    ChoiceField,
    GeneratedAlgorithmField,
    LabelField,
    NameField,
    StrictSerializer,
    TimestampField,
)
from keys.metadata import MAX_DESCRIPTION, MAX_ROTATION_PERIOD, MAX_TAG, MAX_TAGS
from keys.reading.serializers import MAX_KEY_SIZE

PURPOSE_HELP = (
    "required for RSA, which has none by default; other algorithms have one purpose, or sign by default"
)


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "pattern": LABEL_PATTERN, "maxLength": MAX_TAG},
        "uniqueItems": True,
    }
)
class TagsField(serializers.ListField):
    """Distinct labels; ``keys.metadata`` rejects duplicates."""


class KeySettingsSerializer(StrictSerializer):
    description = serializers.CharField(
        required=False, allow_blank=True, max_length=MAX_DESCRIPTION, trim_whitespace=False
    )
    tags = TagsField(child=LabelField(max_length=MAX_TAG), required=False, max_length=MAX_TAGS)
    expires_at = TimestampField(required=False, allow_null=True)
    rotation_period_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_ROTATION_PERIOD
    )
    policy_id = serializers.UUIDField(required=False, allow_null=True)
    deletion_protection = serializers.BooleanField(required=False)


class CreateKeySerializer(KeySettingsSerializer):
    name = NameField()
    algorithm = GeneratedAlgorithmField(max_length=50)
    key_size = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_KEY_SIZE, help_text="in bits"
    )
    purpose = ChoiceField(choices=PURPOSES, required=False, help_text=PURPOSE_HELP)
    activates_at = TimestampField(required=False, allow_null=True)
    exportable = serializers.BooleanField(default=False)
