"""REST serializers for sign-ins and users."""

from typing import Any

from rest_framework import serializers

from accounts.models import Passkey, User
from accounts.principals import Principal
from accounts.second_factors.services.totp import Enrolment, SecondFactor
from accounts.sessions.devices import device_words
from accounts.sessions.services.own_sessions import OwnSession
from accounts.sessions.services.sessions import TokenPair
from kernel.rest.fields import ChoiceField, PageSerializer, StrictSerializer, TimestampField

SECRET_LIMIT = 1024  # characters; our passwords and tokens are shorter


class TextField(serializers.CharField):
    """A string that keeps leading and trailing whitespace."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class LogInSerializer(StrictSerializer):
    username = TextField(max_length=SECRET_LIMIT)
    password = TextField(max_length=SECRET_LIMIT)
    totp_code = TextField(max_length=64, required=False, allow_null=True, allow_blank=True)


class RefreshSerializer(StrictSerializer):
    refresh_token = TextField(max_length=SECRET_LIMIT)


class LogOutSerializer(RefreshSerializer):
    everywhere = serializers.BooleanField(default=False)


class PasswordSerializer(StrictSerializer):
    current = TextField(max_length=SECRET_LIMIT)
    new = TextField(max_length=SECRET_LIMIT)


class UserSerializer(serializers.ModelSerializer[User]):
    permissions = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "username", "email", "role", "permissions"]

    def get_permissions(self, user: User) -> list[str]:
        return sorted(user.permissions)


class TokenPairSerializer(serializers.Serializer[TokenPair]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(default="bearer")
    expires_in = serializers.IntegerField()


class LoggedInSerializer(TokenPairSerializer):
    user = UserSerializer()


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


class CodeSerializer(StrictSerializer):
    code = TextField(max_length=64)


class EnrolmentSerializer(serializers.Serializer[Enrolment]):
    secret = serializers.CharField()
    otpauth_uri = serializers.CharField()


class RecoveryCodesSerializer(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(child=serializers.CharField())


class SecondFactorSerializer(serializers.Serializer[SecondFactor]):
    confirmed_at = TimestampField(allow_null=True)
    is_begun = serializers.BooleanField()
    recovery_codes_left = serializers.IntegerField()


class SessionSerializer(serializers.Serializer[OwnSession]):
    id = serializers.UUIDField()
    kind = ChoiceField(choices=["browser", "api"])
    is_present = serializers.BooleanField()
    device = serializers.SerializerMethodField()
    client_ip = serializers.CharField()
    user_agent = serializers.CharField()
    began_at = TimestampField()
    last_seen_at = TimestampField()
    expires_at = TimestampField()

    def get_device(self, session: OwnSession) -> str:
        return device_words(session.user_agent)


class SessionPageSerializer(PageSerializer):
    results = SessionSerializer(many=True)


class PasskeySerializer(serializers.ModelSerializer[Passkey]):
    created_at = TimestampField()
    last_used_at = TimestampField(allow_null=True)

    class Meta:
        model = Passkey
        fields = ["id", "name", "created_at", "last_used_at"]


class PasskeyPageSerializer(PageSerializer):
    results = PasskeySerializer(many=True)
