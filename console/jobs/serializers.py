"""REST serializers of jobs of any kind."""

from rest_framework import serializers

from console.jobs.kinds import JOB_KINDS
from kernel.jobs.job import JobRecord, Status
from kernel.rest.fields import ChoiceField, TimestampField
from kernel.rest.paging import PageQuery

KINDS = list(JOB_KINDS)


class JobQuerySerializer(PageQuery):
    kind = ChoiceField(required=False, choices=KINDS)
    status = ChoiceField(required=False, choices=list(Status))


class OperationSerializer(serializers.ModelSerializer[JobRecord]):
    """``done`` of ``total`` are in ``unit``; ``total`` is null if it is not known yet."""

    kind = ChoiceField(choices=KINDS, read_only=True)
    created_at = TimestampField(read_only=True)
    started_at = TimestampField(read_only=True, allow_null=True)
    finished_at = TimestampField(read_only=True, allow_null=True)

    class Meta:
        model = JobRecord
        fields = (
            "id",
            "kind",
            "status",
            "created_at",
            "started_at",
            "finished_at",
            "created_by_name",
            "done",
            "total",
            "unit",
            "error_code",
        )
        read_only_fields = fields
