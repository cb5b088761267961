"""Jobs of any kind. Permissions and audit events are those of the kind of the job."""

from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from console import actions
from console.jobs import services
from console.jobs.kinds import JOB_KINDS, JobKind
from console.jobs.serializers import JobQuerySerializer, OperationSerializer
from crypto_ops.models import READ_PERMISSION
from kernel.errors import NotFound
from kernel.http.context import in_context, set_audit_object
from kernel.jobs.job import JobRecord
from kernel.rest.paging import page_serializer
from kernel.rest.views import ApiView, DownloadView
from kernel.rules import Rule


class JobListView(ApiView[Principal]):
    rules = {"GET": Rule(READ_PERMISSION, actions.OPERATION_LISTED)}

    @extend_schema(
        operation_id="operations_list",
        parameters=[JobQuerySerializer],
        responses=page_serializer(OperationSerializer),
    )
    def get(self, _request: Request) -> Response:
        """List the jobs of all kinds that the caller may see, newest first."""
        wanted = self.read_query(JobQuerySerializer)
        found = services.find_jobs(
            principal=self.principal, kind=wanted.get("kind", ""), status=wanted.get("status", "")
        )
        return self.page(found, OperationSerializer)


class _NamedJobView(ApiView[Principal]):
    """Base of every view whose URL names a job."""

    object_reference = ("job", "operation_id")

    def find(self, operation_id: UUID) -> tuple[JobKind, JobRecord]:
        """The job, which is then the object of audit events, as an object of its kind. Raises NotFound."""
        kind, job = services.find_job(principal=self.principal, job_id=operation_id)
        set_audit_object(self.request, kind.object_type, str(operation_id))
        return kind, job

    def record_as(self, rule: Rule) -> None:
        """Record a refusal under the action of the kind's own endpoint."""
        in_context(self.request).audit_action = rule.action


class JobView(_NamedJobView):
    rules = {"GET": Rule(READ_PERMISSION, actions.OPERATION_READ)}

    @extend_schema(responses=OperationSerializer)
    def get(self, _request: Request, operation_id: UUID) -> Response:
        """The status and the progress of a job."""
        _, job = self.find(operation_id)
        return Response(OperationSerializer(job).data)


class CancelJobView(_NamedJobView):
    rules = {"POST": Rule(READ_PERMISSION, actions.OPERATION_CANCELLED)}

    @extend_schema(request=None, responses=OperationSerializer)
    def post(self, _request: Request, operation_id: UUID) -> Response:
        """Cancel a job. It also requires the permission that the kind of the job requires for this.

        A running job stops at its next step, usually within about a second.
        """
        kind, _ = self.find(operation_id)
        self.record_as(kind.cancelling)
        return Response(OperationSerializer(kind.cancel(principal=self.principal, job_id=operation_id)).data)


class JobResultView(DownloadView[Principal], _NamedJobView):
    rules = {"GET": Rule(READ_PERMISSION, actions.OPERATION_DOWNLOADED)}

    @extend_schema(
        responses={
            (200, media_type): OpenApiTypes.BINARY
            for kind in JOB_KINDS.values()
            if kind.file
            for media_type in kind.file.media_types
        },
        operation_id="operations_result",
    )
    def get(self, request: Request, operation_id: UUID) -> HttpResponseBase:
        """Download the file of a successful job, until it expires. ``Repr-Digest`` has its SHA-256."""
        kind, _ = self.find(operation_id)
        if kind.file is None:
            raise NotFound(f"A job of the kind {kind.word} has no file.")
        self.record_as(kind.file.rule)
        return kind.file.respond(
            principal=self.principal, job_id=operation_id, is_head=request.method == "HEAD"
        )
