"""REST serializers of the console's own endpoints."""

from rest_framework import serializers

from console.home.alerts import Alert, AlertKind, AlertObject, Severity
from console.home.services import Attention
from kernel.rest.fields import ChoiceField, TimestampField

ALERT_LIMIT = 100  # alerts of each kind


class AlertObjectSerializer(serializers.Serializer[AlertObject]):
    type = serializers.CharField(help_text="the type of object, as in the audit log, such as `key`")
    id = serializers.CharField()
    name = serializers.CharField(help_text="empty if the object has no name")


class AlertSerializer(serializers.Serializer[Alert]):
    kind = ChoiceField(choices=list(AlertKind))
    severity = ChoiceField(choices=list(Severity))
    object = AlertObjectSerializer(allow_null=True)
    since = TimestampField(
        allow_null=True,
        help_text="When the condition began; null if that is not recorded. For `key_denied`, the start of the hour of "
        "the first denied request within 24 hours.",
    )
    action_url = serializers.CharField(help_text="the path of the console's page for the decision")


class AttentionSerializer(serializers.Serializer[Attention]):
    results = AlertSerializer(
        source="alerts", many=True, help_text=f"One for each object, and at most {ALERT_LIMIT} of each kind."
    )
    counts = serializers.SerializerMethodField(
        help_text="For each kind with alerts, the number of all alerts, also of those that `results` leaves out."
    )

    def get_counts(self, attention: Attention) -> dict[str, int]:
        return {group.kind: group.count for group in attention.groups}
