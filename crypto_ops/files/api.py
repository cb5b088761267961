"""The REST view that takes uploads. ``crypto_ops.streaming.endpoint`` moves their bytes."""

from dataclasses import replace
from http import HTTPStatus
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.principals import Principal
from crypto_ops import actions
from crypto_ops.files import services
from crypto_ops.files.multipart import FIELD, FORM, FilePart
from crypto_ops.files.serializers import FileJobSerializer, FileQuery
from crypto_ops.files.uploads import FileRequest, Upload
from crypto_ops.models import READ_PERMISSION, FileJob, FileOperation
from crypto_ops.streaming.api import AAD_PARAMETER, OCTETS, decode_aad, require_media_type, stream_response
from kernel.http.context import ContextRequest, in_context
from kernel.rest.fields import represent
from kernel.rest.schema import LOCATION
from kernel.rest.views import ApiView
from kernel.rules import Rule
from keys.reading.rest_references import KeyReferenceView

_FORM = {"type": "object", "properties": {FIELD: {"type": "string", "format": "binary"}}, "required": [FIELD]}


class FilesView(KeyReferenceView):
    """Encrypt or decrypt a file of any size, in the background. The body is the file, or a form with it."""

    rules = {"POST": Rule(FileOperation.ENCRYPT.permission, actions.FILE_REQUESTED)}

    def rule_of(self, request: Request) -> Rule | None:
        rule = super().rule_of(request)
        if rule and request.query_params.get("operation") == FileOperation.DECRYPT:
            return replace(rule, permission=FileOperation.DECRYPT.permission)
        return rule

    @extend_schema(
        parameters=[FileQuery, AAD_PARAMETER, LOCATION],
        request={OCTETS: OpenApiTypes.BINARY, FORM: _FORM},
        responses={202: FileJobSerializer},
    )
    def post(self, _request: Request) -> HttpResponse:
        asked = self.read_query(FileQuery)
        key = asked.get("key_id")
        order = FileRequest(
            operation=FileOperation(asked["operation"]),
            key_id=None if key is None else self.key_id_of(key),
            aad=decode_aad(in_context(self.request)),
            name=asked.get("name", ""),
        )
        upload = Upload(self.principal, order, render=_render, part=_part_of(in_context(self.request)))
        location = reverse("file", kwargs={"file_id": upload.job_id})
        return stream_response(
            in_context(self.request),
            upload,
            status=HTTPStatus.ACCEPTED,
            content_type="application/json",
            headers={"Location": location},
        )


class FileView(ApiView[Principal]):
    rules = {"GET": Rule(READ_PERMISSION, actions.FILE_READ)}
    object_reference = (services.OBJECT_TYPE, "file_id")

    @extend_schema(responses=FileJobSerializer)
    def get(self, _request: Request, file_id: UUID) -> Response:
        """The progress of a file job, and its result."""
        job = services.find_file(principal=self.principal, job_id=file_id)
        return Response(represent(FileJobSerializer, job))


def _part_of(request: ContextRequest) -> FilePart | None:
    """Finds the file in a form; None for a raw body. Raises ProtocolError for other media types, and Invalid."""
    require_media_type(request, OCTETS, FORM)
    return FilePart(request.headers["Content-Type"]) if request.content_type == FORM else None


def _render(job: FileJob) -> bytes:
    octets: bytes = JSONRenderer().render(represent(FileJobSerializer, job))
    return octets
