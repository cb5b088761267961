"""REST serializers for rotations and successions."""

from typing import Any

from rest_framework import serializers

from kernel.identities import IdentityType
from kernel.rest.fields import ChoiceField, GeneratedAlgorithmField, NameField, TimestampField
from kernel.rest.paging import PageQuery
from keys.models import RotationStatus
from keys.reading.rest_references import KeyReferenceField, VersionField
from keys.reading.serializers import ReasonSerializer


class RotateSerializer(ReasonSerializer):
    expected_version = VersionField(required=False)


class SucceedSerializer(ReasonSerializer):
    name = NameField(help_text="of the new key: a-z, 0-9 and hyphen")
    algorithm = GeneratedAlgorithmField(
        required=False, max_length=50, help_text="as the old key or the policy unless given"
    )
    policy_id = serializers.UUIDField(
        required=False, help_text="as the old key unless given, if that policy allows the algorithm"
    )


class RotationQuery(PageQuery):
    status = ChoiceField(required=False, choices=list(RotationStatus))
    key_id = KeyReferenceField(required=False, help_text="the key before the rotation")


class KeyRotationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    old_key_id = serializers.UUIDField()
    new_key_id = serializers.UUIDField(help_text="the same key, or its successor")
    old_version = serializers.IntegerField()
    new_version = serializers.IntegerField()
    rotation_reason = serializers.CharField()
    rotated_by = serializers.UUIDField(source="rotated_by_id", allow_null=True, help_text="a user")
    requester_type = ChoiceField(source="requester.type", choices=list(IdentityType))
    requester_id = serializers.UUIDField(
        source="requester.id", allow_null=True, help_text="a user or a service account; null for the system"
    )
    rotated_at = TimestampField(help_text="when the status was reached")
    status = ChoiceField(choices=list(RotationStatus))
    error_code = serializers.CharField(help_text="why the rotation failed or was cancelled, or empty")
    job_id = serializers.UUIDField(allow_null=True)
