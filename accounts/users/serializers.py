"""REST serializers for users and their own account. ``accounts.users.services`` validates the values."""

from typing import Any

from rest_framework import serializers

from accounts.models import User, UserState
from accounts.passwords import SECRET_LIMIT
from accounts.principals import Principal
from accounts.rest import OptionalReasonSerializer, RoleNameField, TextField
from accounts.users.services.listing import ListedUser
from kernel.rest.fields import ChoiceField, StrictSerializer, TimestampField
from kernel.rest.paging import PageQuery

_ORDERINGS = tuple(sign + column for column in ("username", "created_at") for sign in ("", "-"))
_MAX_USERNAME, _MAX_EMAIL = 64, 254  # characters


class UserQuerySerializer(PageQuery):
    search = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="each word must occur in the name or the e-mail address",
    )
    role = RoleNameField(required=False)
    state = ChoiceField(required=False, choices=list(UserState))
    ordering = ChoiceField(required=False, choices=_ORDERINGS)


class CreateUserSerializer(StrictSerializer):
    username = TextField(max_length=_MAX_USERNAME)
    email = TextField(required=False, allow_null=True, max_length=_MAX_EMAIL)
    role = RoleNameField()
    password = TextField(
        required=False,
        allow_null=True,
        max_length=SECRET_LIMIT,
        help_text="without it, the response has an invitation",
    )


class UpdateUserSerializer(OptionalReasonSerializer):
    role = RoleNameField(required=False)
    is_active = serializers.BooleanField(required=False)
    email = TextField(required=False, allow_null=True, max_length=_MAX_EMAIL)


class ListedUserSerializer(serializers.Serializer[ListedUser]):
    """A user as shown to everyone who may see all users."""

    id = serializers.UUIDField(source="user.id")
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email", allow_null=True)
    role = RoleNameField(source="user.role")
    is_active = serializers.BooleanField(source="user.is_active")
    state = ChoiceField(source="user.state", choices=list(UserState))
    second_factors = serializers.ListField(child=ChoiceField(choices=["totp", "passkey"]))
    created_at = TimestampField(source="user.created_at")
    last_sign_in_at = TimestampField(allow_null=True)
    locked_until = TimestampField(allow_null=True, help_text="failed sign-ins lock the account until then")
    invited_until = TimestampField(allow_null=True, help_text="the invitation expires then")
    reset_until = TimestampField(allow_null=True, help_text="an open password reset expires then")


class CreatedUserSerializer(ListedUserSerializer):
    invitation_url = serializers.CharField(required=False, help_text="shown only once")


class InvitationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="of the user")
    invitation_url = serializers.CharField(help_text="shown only once")
    expires_at = TimestampField()


class PasswordResetSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="of the user")
    reset_url = serializers.CharField(help_text="shown only once")
    expires_at = TimestampField()


class PasswordSerializer(StrictSerializer):
    current = TextField(max_length=SECRET_LIMIT)
    new = TextField(max_length=SECRET_LIMIT)


class UserSerializer(serializers.ModelSerializer[User]):
    role = RoleNameField()
    permissions = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "username", "email", "role", "permissions"]

    def get_permissions(self, user: User) -> list[str]:
        return sorted(user.permissions)


class MeSerializer(UserSerializer):
    auth_method = serializers.SerializerMethodField()
    auth_time = serializers.SerializerMethodField()
    token_expires_at = serializers.SerializerMethodField()

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "auth_method", "auth_time", "token_expires_at"]

    def get_auth_method(self, user: User) -> str:  # noqa: ARG002 - DRF's signature
        return self._principal.actor.auth_method

    def get_auth_time(self, user: User) -> str:  # noqa: ARG002 - DRF's signature
        return str(TimestampField().to_representation(self._principal.auth_time))

    def get_token_expires_at(self, user: User) -> str:  # noqa: ARG002 - DRF's signature
        return str(TimestampField().to_representation(self._principal.not_after))

    @property
    def _principal(self) -> Principal:
        principal: Principal = self.context["view"].principal
        return principal
