"""REST serializers of canaries, incidents, offices, channels and the journal. Their sizes fit a page of the journal."""

from typing import Any, Final

from rest_framework import serializers

from canaries.documents import ChannelKind, Kind, Level, Status
from canaries.services.planting import MOST_EXEMPTIONS
from kernel.http.targets import MAX_URL
from kernel.rest.fields import ChoiceField, LabelField, StrictSerializer, TimestampField

PLANTED: Final = [kind.value for kind in Kind if kind is not Kind.OFFICE]
_DECISIONS: Final = [status for status in Status if status is not Status.NEW]
LONGEST_NOTE: Final = 200
LONGEST_TARGET: Final = MAX_URL
LONGEST_REFERENCE: Final = 100


class _ExemptionSerializer(StrictSerializer):
    token_id = serializers.UUIDField()
    operation = serializers.RegexField(
        r"^[a-z][a-z._]{1,63}$", help_text="an action such as crypto.message.encrypted"
    )
    client_ip = serializers.IPAddressField(required=False)
    per_hour = serializers.IntegerField(min_value=1, max_value=100_000, default=60)


class _ShownExemptionSerializer(serializers.Serializer[Any]):
    token_id = serializers.CharField()
    operation = serializers.CharField()
    client_ip = serializers.CharField()
    per_hour = serializers.IntegerField()


def _exemptions() -> serializers.ListField:
    return serializers.ListField(child=_ExemptionSerializer(), max_length=MOST_EXEMPTIONS, required=False)


class NewCanarySerializer(StrictSerializer):
    kind = ChoiceField(choices=PLANTED)
    object = serializers.CharField(max_length=LONGEST_REFERENCE, help_text="ID or name")
    note = LabelField(max_length=LONGEST_NOTE, help_text="where it is planted")
    level = ChoiceField(choices=list(Level), default=Level.ALERT)
    exemptions = _exemptions()


class CanaryChangesSerializer(StrictSerializer):
    note = LabelField(max_length=LONGEST_NOTE, required=False)
    level = ChoiceField(choices=list(Level), required=False)
    exemptions = _exemptions()


class CanarySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="canary.id")
    kind = ChoiceField(source="canary.kind", choices=PLANTED)
    object_id = serializers.CharField(source="canary.object_id")
    name = serializers.CharField(source="canary.name")
    note = serializers.CharField(source="canary.note")
    level = ChoiceField(source="canary.level", choices=list(Level))
    planted_at = TimestampField(source="canary.planted_at")
    planted_by = serializers.CharField(source="canary.planted_by", help_text="ID of the officer, or host")
    exemptions = _ShownExemptionSerializer(source="canary.exemptions", many=True)
    touched_at = TimestampField(allow_null=True, help_text="last touch")


class _TouchSerializer(serializers.Serializer[Any]):
    canary_id = serializers.UUIDField()
    log_id = serializers.IntegerField()
    at = TimestampField()
    action = serializers.CharField()
    outcome = serializers.CharField()
    code = serializers.CharField()
    count = serializers.IntegerField()
    actor_name = serializers.CharField()
    auth_method = serializers.CharField()
    client_ip = serializers.CharField()
    user_agent = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # DRF has an attribute of this name
    request_id = serializers.CharField()
    is_low = serializers.BooleanField(help_text="proves no stolen secret, such as a wrong password")


class IncidentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = ChoiceField(choices=list(Status))
    level = ChoiceField(choices=list(Level))
    credential = serializers.CharField()
    canary_ids = serializers.ListField(
        child=serializers.UUIDField(), help_text="canaries, and users with an office"
    )
    first = _TouchSerializer()
    touches = serializers.IntegerField()
    last_at = TimestampField()
    announced_at = TimestampField(allow_null=True)
    reason = serializers.CharField()
    decided_by = serializers.CharField(help_text="ID of the officer, or empty")
    decided_at = TimestampField(allow_null=True)


class DecisionSerializer(StrictSerializer):
    status = ChoiceField(choices=_DECISIONS)
    reason = LabelField(max_length=LONGEST_NOTE, required=False, help_text="required for a false alarm")


class NewOfficeSerializer(StrictSerializer):
    user = serializers.CharField(max_length=LONGEST_REFERENCE, help_text="ID or name")


class OfficeSerializer(serializers.Serializer[Any]):
    user_id = serializers.UUIDField()
    name = serializers.CharField()
    appointed_at = TimestampField()
    appointed_by = serializers.CharField(help_text="ID of the officer, or host")
    effective_at = TimestampField()
    is_suspended = serializers.BooleanField()


class JournalQuery(StrictSerializer):
    before = serializers.IntegerField(
        min_value=1, max_value=2**62, required=False, help_text="number of a page"
    )
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class _RecordSerializer(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    at = TimestampField(source="record.at")
    word = serializers.CharField(source="record.word")
    facts = serializers.DictField(source="record.facts")


class JournalSerializer(serializers.Serializer[Any]):
    results = _RecordSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class NewChannelSerializer(StrictSerializer):
    kind = ChoiceField(choices=list(ChannelKind))
    target = serializers.CharField(max_length=LONGEST_TARGET, help_text="an e-mail address, or a URL")


class ChannelSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="channel.id")
    kind = ChoiceField(source="channel.kind", choices=list(ChannelKind))
    name = serializers.CharField(source="channel.label", help_text="without the path of a URL")
    added_at = TimestampField(source="channel.added_at")
    added_by = serializers.CharField(source="channel.added_by", help_text="ID of the officer, or host")
    delivered_at = TimestampField(source="state.delivered_at", allow_null=True)
    failures = serializers.IntegerField(source="state.failures", help_text="in a row")
    error = serializers.CharField(source="state.error", help_text="of the last failure")
    waiting = serializers.IntegerField(help_text="notices that it has not got yet")


class AddedChannelSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="channel.id")
    name = serializers.CharField(source="channel.label")
    secret = serializers.CharField(help_text="of a webhook; shown only here")
