"""REST serializers for the caller's sessions."""

from rest_framework import serializers

from accounts.sessions.services.own_sessions import OwnSession
from kernel.rest.fields import ChoiceField, TimestampField


class SessionSerializer(serializers.Serializer[OwnSession]):
    id = serializers.UUIDField()
    kind = ChoiceField(choices=["browser", "api"])
    is_present = serializers.BooleanField()
    device = serializers.CharField(read_only=True)
    client_ip = serializers.CharField()
    user_agent = serializers.CharField()
    began_at = TimestampField()
    last_seen_at = TimestampField()
    expires_at = TimestampField()
