"""Log targets in the API."""

from typing import Any

from rest_framework import serializers

from audit.forwarding.values import CREDENTIAL_LIMIT, MOST_ACTIONS
from audit.log.canonical import MAX_INTEGER
from audit.log.events import TEXT_LIMITS, Outcome
from audit.models import LogTarget
from audit.models.log_targets import HttpStyle, LogFormat, TargetStatus
from kernel.http.targets import MAX_URL
from kernel.rest.fields import ChoiceField, LabelField, StrictSerializer, TimestampField

FORMATS = [word.value for word in LogFormat]
_STYLE = "of the body of HTTPS requests"
_ACTIONS = "beginnings of actions, such as `accounts.`; all without any"
_OUTCOMES = "all without any"
_CA = "certificates in PEM form, trusted beside those of the system"


def _url(**options: Any) -> serializers.CharField:
    text = "`https://…`, `file:///…`, or `relp`, `relp+tls`, `tcp` or `tls` with host and port"
    return serializers.CharField(max_length=MAX_URL, trim_whitespace=False, help_text=text, **options)


def _size(**options: Any) -> serializers.IntegerField:
    text = "number of entries from the start of the log to skip; 0: the whole log, null: only new entries"
    return serializers.IntegerField(
        min_value=0, max_value=MAX_INTEGER, allow_null=True, help_text=text, **options
    )


class LogTargetChangesSerializer(StrictSerializer):
    name = LabelField(max_length=LogTarget.NAME_LIMIT, required=False)
    url = _url(required=False)
    style = ChoiceField(choices=list(HttpStyle), required=False, help_text=_STYLE)  # type: ignore[assignment]  # DRF takes declared fields off the class
    format = ChoiceField(choices=FORMATS, required=False)
    actions = serializers.ListField(
        child=serializers.CharField(max_length=TEXT_LIMITS["action"]),
        max_length=MOST_ACTIONS,
        required=False,
        help_text=_ACTIONS,
    )
    outcomes = serializers.ListField(
        child=ChoiceField(choices=list(Outcome)), max_length=len(Outcome), required=False, help_text=_OUTCOMES
    )
    ca = serializers.CharField(
        max_length=LogTarget.CA_LIMIT,
        allow_blank=True,
        trim_whitespace=False,
        required=False,
        help_text=_CA,
    )
    credential = serializers.CharField(
        max_length=CREDENTIAL_LIMIT,
        allow_blank=True,
        trim_whitespace=False,
        required=False,
        help_text="with https the header Authorization, with relp+tls and tls a certificate and its key in PEM form; empty for none",
    )


class NewLogTargetSerializer(LogTargetChangesSerializer):
    name = LabelField(max_length=LogTarget.NAME_LIMIT)
    url = _url()
    size = _size(default=None)
    is_enabled = serializers.BooleanField(default=True)


class PositionSerializer(StrictSerializer):
    size = _size()


class LogTargetSerializer(serializers.ModelSerializer[LogTarget]):
    url = serializers.CharField(
        source="shown_url", help_text="without its path for callers without `system.manage`"
    )
    style = ChoiceField(choices=list(HttpStyle), help_text=_STYLE)  # type: ignore[assignment]  # DRF takes declared fields off the class
    format = ChoiceField(choices=FORMATS)
    actions = serializers.ListField(child=serializers.CharField(), help_text=_ACTIONS)
    outcomes = serializers.ListField(child=ChoiceField(choices=list(Outcome)), help_text=_OUTCOMES)
    ca = serializers.CharField(help_text=_CA)
    has_credential = serializers.BooleanField()
    status = ChoiceField(choices=list(TargetStatus))
    is_verifiable = serializers.BooleanField(
        help_text="gets every entry in its canonical bytes, with checkpoints"
    )
    is_acknowledged = serializers.BooleanField(help_text="false: the transport may lose entries")
    size = serializers.IntegerField(help_text="number of entries from the start of the log that were handled")
    lag_entries = serializers.IntegerField(source="lag.entries")
    lag_seconds = serializers.IntegerField(
        source="lag.seconds", help_text="age of the oldest entry that was not delivered"
    )
    last_success_at = TimestampField(allow_null=True)
    failing_since = TimestampField(allow_null=True)
    test_requested_at = TimestampField(allow_null=True)
    tested_at = TimestampField(allow_null=True)
    created_at = TimestampField()

    class Meta:
        model = LogTarget
        fields = (
            "id",
            "name",
            "url",
            "style",
            "format",
            "actions",
            "outcomes",
            "ca",
            "has_credential",
            "status",
            "stopped_reason",
            "is_verifiable",
            "is_acknowledged",
            "size",
            "lag_entries",
            "lag_seconds",
            "last_success_at",
            "last_error",
            "failures",
            "failing_since",
            "test_requested_at",
            "tested_at",
            "test_error",
            "created_at",
            "created_by_name",
        )
        read_only_fields = fields
