"""REST serializers for encryption policies. The services validate values."""

from typing import Any

from rest_framework import serializers

from kernel.rest.fields import (
    KeyAlgorithmField,
    KeyAlgorithmOrAliasField,
    NameField,
    StrictSerializer,
    TimestampField,
)
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS
from keys.models.rotation_policy import MAX_BYTES, MAX_DAYS, MAX_USES
from keys.reading.serializers import MAX_KEY_SIZE

_MAX_MODES = 10


class RotationPolicySerializer(StrictSerializer):
    every_days = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_DAYS,
        help_text="age of the primary version at which a key is due",
    )
    after_uses = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_USES,
        help_text="reserved messages after which a key is due",
    )
    after_bytes = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MAX_BYTES,
        help_text="encrypted bytes after which a key is due",
    )
    grace_days = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_DAYS,
        help_text="days for which a replaced version still decrypts",
    )
    reencrypt = serializers.BooleanField(
        default=False, help_text="whether a message can still be re-encrypted after grace_days"
    )


class _PolicyRulesSerializer(StrictSerializer):
    allowed_modes = serializers.ListField(
        child=serializers.CharField(max_length=50),
        required=False,
        max_length=_MAX_MODES,
        help_text="modes for new data: of encryption, of signatures or of MACs",
    )
    key_lifetime_days = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_DAYS, help_text="the expiry of new keys"
    )
    rotation_policy = RotationPolicySerializer(required=False)
    minimum_deletion_days = serializers.IntegerField(
        required=False, min_value=MIN_DELETION_DAYS, max_value=MAX_DELETION_DAYS
    )
    exportable = serializers.BooleanField(required=False)


class UpdatePolicySerializer(_PolicyRulesSerializer):
    is_active = serializers.BooleanField(required=False, help_text="whether new keys can have this policy")


class CreatePolicySerializer(_PolicyRulesSerializer):
    name = NameField()
    algorithm = KeyAlgorithmOrAliasField(max_length=50)
    key_size = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_KEY_SIZE, help_text="in bits"
    )


class PolicySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    algorithm = KeyAlgorithmField()
    key_size = serializers.IntegerField(help_text="in bits")
    allowed_modes = serializers.ListField(child=serializers.CharField())
    key_lifetime_days = serializers.IntegerField(allow_null=True)
    rotation_policy = RotationPolicySerializer()
    minimum_deletion_days = serializers.IntegerField()
    exportable = serializers.BooleanField()
    is_active = serializers.BooleanField()
    created_at = TimestampField()


class AffectedKeySerializer(serializers.Serializer[Any]):
    key_id = serializers.UUIDField()
    name = serializers.CharField()
    effect = serializers.CharField(help_text="modes_removed, rotation_due, versions_stop or export_forbidden")


class PreviewSerializer(serializers.Serializer[Any]):
    keys_count = serializers.IntegerField(help_text="keys with this policy")
    effects = serializers.DictField(child=serializers.IntegerField(), help_text="affected keys by effect")
    affected = AffectedKeySerializer(many=True, help_text="the first 100 keys of each effect, by name")
