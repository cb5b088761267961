"""REST serializers for the management of users. ``accounts.services`` validates the values."""

from typing import Any

from rest_framework import serializers

from accounts.models import UserState
from accounts.rest import SECRET_LIMIT, TextField
from accounts.roles import ROLES
from accounts.users.services.listing import ListedUser
from kernel.labels import MAX_REASON
from kernel.rest.fields import (
    ChoiceField,
    LabelField,
    PageQuery,
    PageSerializer,
    StrictSerializer,
    TimestampField,
)

ORDERINGS = tuple(sign + column for column in ("username", "created_at") for sign in ("", "-"))
MAX_USERNAME, MAX_EMAIL = 64, 254  # characters


class UserQuerySerializer(PageQuery):
    search = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="each word must occur in the name or the email address",
    )
    role = ChoiceField(required=False, choices=list(ROLES))
    state = ChoiceField(required=False, choices=list(UserState))
    ordering = ChoiceField(required=False, choices=ORDERINGS)


class CreateUserSerializer(StrictSerializer):
    username = TextField(max_length=MAX_USERNAME)
    email = TextField(required=False, allow_null=True, max_length=MAX_EMAIL)
    role = ChoiceField(choices=list(ROLES))
    password = TextField(
        required=False,
        allow_null=True,
        max_length=SECRET_LIMIT,
        help_text="without it, the answer has an invitation",
    )


class OptionalReasonSerializer(StrictSerializer):
    reason = LabelField(required=False, max_length=MAX_REASON)


class UpdateUserSerializer(OptionalReasonSerializer):
    role = ChoiceField(required=False, choices=list(ROLES))
    is_active = serializers.BooleanField(required=False)
    email = TextField(required=False, allow_null=True, max_length=MAX_EMAIL)


class ListedUserSerializer(serializers.Serializer[ListedUser]):
    """A user as shown to everyone who may see all users."""

    id = serializers.UUIDField(source="user.id")
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email", allow_null=True)
    role = ChoiceField(source="user.role", choices=list(ROLES))
    is_active = serializers.BooleanField(source="user.is_active")
    state = ChoiceField(source="user.state", choices=list(UserState))
    second_factors = serializers.ListField(child=ChoiceField(choices=["totp", "passkey"]))
    created_at = TimestampField(source="user.created_at")
    last_sign_in_at = TimestampField(source="last_log_in_at", allow_null=True)
    locked_until = TimestampField(allow_null=True, help_text="failed sign-ins lock the account until then")
    invited_until = TimestampField(allow_null=True, help_text="the invitation expires then")


class CreatedUserSerializer(ListedUserSerializer):
    invitation_url = serializers.CharField(required=False, help_text="shown only once")


class UserPageSerializer(PageSerializer):
    results = ListedUserSerializer(many=True)


class InvitationSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="of the user")
    invitation_url = serializers.CharField(help_text="shown only once")
    expires_at = TimestampField()
