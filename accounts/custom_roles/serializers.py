"""REST serializers for roles. The services validate values."""

from typing import Any

from rest_framework import serializers

from accounts.custom_roles.services import MAX_DESCRIPTION
from accounts.models.roles import MAX_ROLE_NAME
from accounts.rest import OptionalReasonSerializer
from accounts.roles import LIMITABLE, PERMISSIONS
from kernel.rest.fields import ChoiceField, NameField, TimestampField

_LIMITABLE = (
    f"those permissions that cover all objects, of {', '.join(sorted(LIMITABLE))}; the others have one reach"
)


class RoleChangesSerializer(OptionalReasonSerializer):
    permissions = serializers.ListField(
        child=ChoiceField(choices=sorted(PERMISSIONS)), required=False, max_length=len(PERMISSIONS)
    )
    on_all = serializers.ListField(
        child=ChoiceField(choices=sorted(LIMITABLE)),
        required=False,
        max_length=len(LIMITABLE),
        help_text=_LIMITABLE,
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=MAX_DESCRIPTION)
    requires_second_factor = serializers.BooleanField(
        required=False, help_text="of users who sign in with a password; true unless given"
    )


class NewRoleSerializer(RoleChangesSerializer):
    name = NameField(max_length=MAX_ROLE_NAME)


class RoleSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(source="rights.role")
    description = serializers.CharField()
    is_built_in = serializers.BooleanField()
    permissions = serializers.SerializerMethodField()
    on_all = serializers.SerializerMethodField(help_text="the limitable permissions that cover all objects")
    requires_second_factor = serializers.BooleanField(source="rights.requires_second_factor")
    created_at = TimestampField(source="role.created_at", allow_null=True)

    def get_permissions(self, listed: Any) -> list[str]:
        return sorted(listed.rights.permissions)

    def get_on_all(self, listed: Any) -> list[str]:
        return sorted(listed.rights.on_all & LIMITABLE)
