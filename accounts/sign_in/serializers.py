"""REST serializers for sign-ins."""

from rest_framework import serializers

from accounts.passwords import SECRET_LIMIT
from accounts.rest import TextField
from accounts.sessions.services.sessions import TokenPair
from accounts.users.serializers import UserSerializer
from kernel.rest.fields import StrictSerializer


class LogInSerializer(StrictSerializer):
    username = TextField(max_length=SECRET_LIMIT)
    password = TextField(max_length=SECRET_LIMIT)
    totp_code = TextField(max_length=64, required=False, allow_null=True, allow_blank=True)


class RefreshSerializer(StrictSerializer):
    refresh_token = TextField(max_length=SECRET_LIMIT)


class LogOutSerializer(RefreshSerializer):
    everywhere = serializers.BooleanField(default=False)


class TokenPairSerializer(serializers.Serializer[TokenPair]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(default="bearer")
    expires_in = serializers.IntegerField()


class LoggedInSerializer(TokenPairSerializer):
    user = UserSerializer()
