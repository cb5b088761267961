"""The HTTP response with the file of an export, for all interfaces."""

from uuid import UUID

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase

from audit import services
from audit.services import Exporter
from kernel.crypto.encoding import encode_base64

BLOCK = 64 * 1024  # bytes


def download(*, principal: Exporter, export_id: UUID, is_head: bool) -> HttpResponseBase:
    """The file, with its SHA-256 in ``Repr-Digest`` (RFC 9530). HEAD returns no content and records nothing.

    Raises Denied, NotFound, NoResult, ResultGone, ResultMissing, AuditUnavailable.
    """
    result = services.find_result(principal=principal, export_id=export_id)
    if is_head:
        response: HttpResponseBase = HttpResponse(content_type=result.media_type)
        response["Content-Length"] = str(result.export.size)
    else:
        file = services.open_result(principal=principal, result=result)
        response = FileResponse(file, content_type=result.media_type)
        response.block_size = BLOCK
    response["Content-Disposition"] = f'attachment; filename="{result.name}"'
    response["Repr-Digest"] = f"sha-256=:{encode_base64(bytes.fromhex(result.export.sha256))}:"
    return response
