"""REST serializers for the use of a key."""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.identities import IdentityType
from kernel.rest.fields import ChoiceField, StrictSerializer, TimestampField
from keys.impact import Advice, KeyAction
from keys.lifecycle import VersionState
from keys.reading.rest_references import VersionField
from keys.usage.services.usage import DEFAULT_DAYS, MAX_DAYS

_SHARE: Final = "from 0 to 1"


class UsageQuery(StrictSerializer):
    days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=DEFAULT_DAYS)


class ImpactQuery(StrictSerializer):
    action = ChoiceField(choices=list(KeyAction))
    version = VersionField(
        required=False,
        help_text="required for disable-version and schedule-destruction",
    )
    min_decryption_version = VersionField(required=False, help_text="required for raise-minimum")


class _ShareField(serializers.DecimalField):
    """From 0 to 1, rounded."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=5, decimal_places=4, **kwargs)


class OperationUseSerializer(serializers.Serializer[Any]):
    action = serializers.CharField(help_text="as in the audit log")
    count = serializers.IntegerField()


@extend_schema_field(OperationUseSerializer(many=True))
class _OperationsField(serializers.Field[Any, Any, Any, Any]):
    """``{action: count}`` as a list, the busiest first."""

    def to_representation(self, value: Mapping[str, int]) -> list[dict[str, Any]]:
        return [{"action": action, "count": count} for action, count in value.items()]


class BudgetSerializer(serializers.Serializer[Any]):
    reserved = serializers.IntegerField(help_text="messages for which processes have reserved invocations")
    limit = serializers.IntegerField(help_text="the most messages that one version may encrypt")
    remaining_share = _ShareField(help_text=_SHARE)


class VersionUseSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(source="row.version")
    state = ChoiceField(source="row.state", choices=list(VersionState))
    is_primary = serializers.BooleanField(source="row.is_primary")
    count = serializers.IntegerField(source="use.count")
    protected = serializers.IntegerField(source="use.protected", help_text="messages encrypted")
    processed = serializers.IntegerField(
        source="use.processed", help_text="messages decrypted, re-encrypted or verified"
    )
    share = _ShareField(source="use.share", help_text=f"of all processed messages, {_SHARE}")
    last_used = TimestampField(source="use.last_at", allow_null=True, help_text="null: not in the period")
    budget = BudgetSerializer(allow_null=True)


class _CallerSerializer(serializers.Serializer[Any]):
    principal_type = ChoiceField(choices=[IdentityType.USER.value, IdentityType.SERVICE_ACCOUNT.value])
    principal_id = serializers.CharField(help_text='"" for operations without a user')
    name = serializers.CharField(help_text='"" if there is no such account')
    count = serializers.IntegerField()
    operations = _OperationsField(source="by_action")


class CallerUseSerializer(_CallerSerializer):
    last_used = TimestampField(source="last_at")


class _RecordedSerializer(serializers.Serializer[Any]):
    """The members that usage and impact share."""

    key_id = serializers.UUIDField()
    last_used = serializers.CharField(
        source="record.last_used", help_text="a time, `never`, or `no record since` and a time"
    )
    recorded_since = TimestampField(source="record.since", help_text="from here on no use is missing")
    since = TimestampField(help_text="the start of the period")
    count = serializers.IntegerField(help_text="in the period")
    operations = _OperationsField(source="by_action")
    callers_count = serializers.IntegerField(source="callers.count")
    callers = CallerUseSerializer(
        source="callers.busiest",
        many=True,
        allow_null=True,
        help_text="the busiest; null unless the reader owns the key or reads the whole log",
    )


class UsageSerializer(_RecordedSerializer):
    """The use of a key within a period."""

    versions = VersionUseSerializer(many=True, help_text="those used in the period, and the primary one")
    unnamed_versions = serializers.IntegerField(
        source="uses.unnamed", help_text="messages processed in batches with several versions"
    )
    safe_minimum_version = serializers.IntegerField(
        source="uses.safe_minimum",
        allow_null=True,
        help_text="the highest minimum version that would have denied nothing; null if `unnamed_versions` is not 0",
    )
    budget = BudgetSerializer(allow_null=True, help_text="of the primary version")


class DeniedCallerSerializer(_CallerSerializer):
    last_denied = TimestampField(source="last_at")


class ScreamTestSerializer(serializers.Serializer[Any]):
    """The last suspension of a key for a limited time, and the requests that were denied meanwhile."""

    key_id = serializers.UUIDField()
    since = TimestampField()
    until = TimestampField(help_text="its end, or the time at which the test was ended before it")
    is_running = serializers.BooleanField()
    count = serializers.IntegerField(help_text="requests denied in this time")
    operations = _OperationsField(source="by_action")
    callers_count = serializers.IntegerField(source="callers.count")
    callers = DeniedCallerSerializer(
        source="callers.busiest",
        many=True,
        allow_null=True,
        help_text="the busiest; null unless the reader owns the key or reads the whole log",
    )


class StoppedVersionsSerializer(serializers.Serializer[Any]):
    first = serializers.IntegerField()
    last = serializers.IntegerField()


class ImpactSerializer(_RecordedSerializer):
    """The requests of the last 30 days that an action on a key would have denied."""

    action = ChoiceField(choices=list(KeyAction))
    advice = ChoiceField(choices=list(Advice))
    count = serializers.IntegerField(
        source="forecast.count", help_text="requests that the action would have denied"
    )
    count_24_hours = serializers.IntegerField(help_text="those of the last 24 hours")
    operations = _OperationsField(source="forecast.by_action")
    stops_decrypting = StoppedVersionsSerializer(
        source="forecast.stops", allow_null=True, help_text="versions that can no longer decrypt or verify"
    )
