from typing import Any, ClassVar

from rest_framework import serializers

from audit.browse.filters import PERIODS, as_texts
from audit.models import SavedFilter
from audit.serializers.logs import LogQuerySerializer
from kernel.rest.fields import ChoiceField, StrictSerializer, TimestampField


class KeptQuerySerializer(LogQuerySerializer):
    """The filters of the log. ``period`` is relative to the time when the filter is used."""

    schema_keywords: ClassVar = {"minProperties": 1}
    before = None  # type: ignore[assignment]  # DRF's way to remove an inherited field
    limit = None  # type: ignore[assignment]  # likewise
    period = ChoiceField(choices=list(PERIODS), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "period" in attrs and "since" in attrs:
            raise serializers.ValidationError({"period": ["Send either period or from, not both."]})
        return super().validate(attrs)


class NewSavedFilterSerializer(StrictSerializer):
    name = serializers.CharField(max_length=SavedFilter.NAME_LIMIT)
    is_shared = serializers.BooleanField(default=False)
    filters = KeptQuerySerializer()

    def validate_filters(self, given: dict[str, Any]) -> dict[str, str]:
        """The filters as texts, under their API names."""
        return as_texts(given)


class SavedFilterSerializer(serializers.ModelSerializer[SavedFilter]):
    created_at = TimestampField(read_only=True)
    filters = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = SavedFilter
        fields = ("id", "name", "is_shared", "owner", "owner_type", "owner_name", "filters", "created_at")
        read_only_fields = fields
