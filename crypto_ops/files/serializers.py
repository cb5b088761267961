"""REST serializers for file jobs."""

from typing import Any

from rest_framework import serializers

from crypto_ops.models import MAX_FILE_NAME, FileOperation
from kernel.jobs.job import Status
from kernel.rest.fields import ChoiceField, LabelField, StrictSerializer, TimestampField
from keys.reading.rest_references import KeyReferenceField


class FileQuery(StrictSerializer):
    operation = ChoiceField(choices=[word.value for word in FileOperation])
    key_id = KeyReferenceField(
        required=False, help_text="required to encrypt; a file to decrypt names its key"
    )
    name = LabelField(required=False, max_length=MAX_FILE_NAME, help_text="of the file, for the download")

    def validate(self, attrs: Any) -> Any:
        if attrs["operation"] == FileOperation.ENCRYPT and "key_id" not in attrs:
            raise serializers.ValidationError({"key_id": "Name the key, as name:… or by its ID."})
        if attrs["operation"] == FileOperation.DECRYPT and "key_id" in attrs:
            raise serializers.ValidationError({"key_id": "Leave it out: a file to decrypt names its key."})
        return attrs


class FileJobSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    operation = ChoiceField(choices=list(FileOperation))
    status = ChoiceField(choices=list(Status))
    key_id = serializers.UUIDField()
    key_version = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    bytes_done = serializers.IntegerField(source="done")
    bytes_total = serializers.IntegerField(source="total")
    size = serializers.IntegerField(allow_null=True, help_text="of the result, in bytes")
    sha256 = serializers.CharField(
        help_text="of the result, in hexadecimal digits; empty before it is complete"
    )
    error_code = serializers.CharField(help_text="of a failed job, or empty")
    created_at = TimestampField()
    started_at = TimestampField(allow_null=True)
    finished_at = TimestampField(allow_null=True)
    expires_at = TimestampField(allow_null=True, help_text="until then, the result can be downloaded")
    created_by = serializers.UUIDField(allow_null=True, help_text="a user")
    actor_id = serializers.UUIDField(allow_null=True, help_text="a service account")
    created_by_name = serializers.CharField()
