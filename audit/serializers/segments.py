"""Segments of the archive, as the API lists them."""

from rest_framework import serializers

from audit.archive.contents import count_moved
from audit.models import AuditSegment
from kernel.rest.fields import TimestampField


class AuditSegmentSerializer(serializers.ModelSerializer[AuditSegment]):
    first_at = TimestampField(read_only=True)
    last_at = TimestampField(read_only=True)
    moved = serializers.SerializerMethodField(
        help_text="the number of entries that only the archive has once removed_at is set"
    )
    archived_at = TimestampField(read_only=True)
    removed_at = TimestampField(
        read_only=True, allow_null=True, help_text="null until the database has removed the moved entries"
    )

    class Meta:
        model = AuditSegment
        fields = (
            "number",
            "first_id",
            "last_id",
            "first_at",
            "last_at",
            "moved",
            "size",
            "sha256",
            "archived_at",
            "removed_at",
        )
        read_only_fields = fields

    def get_moved(self, segment: AuditSegment) -> int:
        return count_moved(segment)
