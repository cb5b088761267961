from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.exports.formats import ExportFormat
from audit.models import AuditExport
from audit.serializers.logs import LogQuerySerializer
from kernel.rest.fields import ChoiceField, TimestampField


class ExportRequestSerializer(LogQuerySerializer):
    """A format, and filters of the log. The format ``tiles`` accepts no filters."""

    before = None  # type: ignore[assignment]  # DRF's way to remove an inherited field
    limit = None  # type: ignore[assignment]  # likewise
    format = ChoiceField(choices=[word.value for word in ExportFormat])


class CheckpointHeadSerializer(serializers.Serializer[AuditExport]):
    """The newest checkpoint when the entries were read: the number of entries, and the root over them."""

    size = serializers.IntegerField(source="checkpoint_size")
    root = serializers.CharField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        source="checkpoint_root", help_text="base64"
    )


class AuditExportSerializer(serializers.ModelSerializer[AuditExport]):
    """``done`` of ``total`` entries are written. ``rows`` and the fields after it are set once the export has
    succeeded.

    ``altered`` counts entries of the file that were altered outside the application. It is null for tiles.
    ``created_by`` is the user who requested the export, ``actor_id`` the service account.
    """

    created_at = TimestampField(read_only=True)
    started_at = TimestampField(read_only=True, allow_null=True)
    finished_at = TimestampField(read_only=True, allow_null=True)
    cancel_requested_at = TimestampField(read_only=True, allow_null=True)
    expires_at = TimestampField(read_only=True, allow_null=True)
    filters = serializers.DictField(child=serializers.CharField(), read_only=True)
    vkeys = serializers.ListField(child=serializers.CharField(), read_only=True)
    checkpoint = serializers.SerializerMethodField()

    class Meta:
        model = AuditExport
        fields = (
            "id",
            "status",
            "format",
            "filters",
            "is_of_own_acts",
            "created_at",
            "created_by",
            "actor_id",
            "created_by_name",
            "started_at",
            "finished_at",
            "cancel_requested_at",
            "error_code",
            "done",
            "total",
            "rows",
            "altered",
            "size",
            "sha256",
            "expires_at",
            "checkpoint",
            "vkeys",
        )
        read_only_fields = fields

    @extend_schema_field(CheckpointHeadSerializer(allow_null=True))
    def get_checkpoint(self, export: AuditExport) -> Any:
        return None if export.checkpoint_size is None else CheckpointHeadSerializer(export).data
