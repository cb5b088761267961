"""Alarms of the log, as the API lists and resolves them."""

from typing import Any

from rest_framework import serializers

from audit.models import AuditAlarm
from kernel.labels import MAX_REASON
from kernel.rest.fields import ChoiceField, LabelField, StrictSerializer, TimestampField
from kernel.rest.paging import PageQuery

_STATUSES = ("open", "resolved")
_NO_RESOLUTION = {"resolved_at": None, "resolved_by": None, "resolved_by_name": "", "reason": ""}


class AlarmQuerySerializer(PageQuery):
    status = ChoiceField(choices=_STATUSES, required=False)


class ResolveAlarmSerializer(StrictSerializer):
    reason = LabelField(max_length=MAX_REASON)


class AuditAlarmSerializer(serializers.ModelSerializer[AuditAlarm]):
    status = ChoiceField(choices=_STATUSES, read_only=True)
    is_altered = serializers.BooleanField(
        read_only=True, help_text="the stored alarm does not match its MAC, so it counts as open"
    )
    writer = serializers.CharField(read_only=True)
    raised_at = TimestampField(read_only=True)
    resolved_at = TimestampField(read_only=True, allow_null=True)

    class Meta:
        model = AuditAlarm
        fields = (
            "id",
            "status",
            "is_altered",
            "kind",
            "log_id",
            "writer",
            "expected",
            "found",
            "count",
            "evidence",
            "event_id",
            "raised_at",
            "resolved_at",
            "resolved_by",
            "resolved_by_name",
            "reason",
        )
        read_only_fields = fields

    def to_representation(self, instance: AuditAlarm) -> dict[str, Any]:
        """An open alarm has no resolution, even if its row was altered to have one."""
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | _NO_RESOLUTION if instance.is_open else shown
