"""REST serializers for authenticators, recovery codes and passkeys."""

from typing import Any

from rest_framework import serializers

from accounts.models import Passkey
from accounts.rest import TextField
from accounts.second_factors.services.totp import Enrolment, SecondFactor
from kernel.rest.fields import StrictSerializer, TimestampField


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


class PasskeySerializer(serializers.ModelSerializer[Passkey]):
    created_at = TimestampField()
    last_used_at = TimestampField(allow_null=True)

    class Meta:
        model = Passkey
        fields = ["id", "name", "created_at", "last_used_at"]
