"""The HTTP response with the result of a file job, for all interfaces."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from accounts.principals import Principal
from crypto_ops.files import services
from kernel.crypto.encoding import encode_base64

OCTETS: Final = "application/octet-stream"


def download(*, principal: Principal, job_id: UUID, is_head: bool) -> HttpResponseBase:
    """The content, with its SHA-256 in ``Repr-Digest`` (RFC 9530). HEAD returns no content and records nothing.

    Raises Denied, NotFound, NoResult, ResultGone, ResultMissing, KeyNotUsable, AuditUnavailable.
    """
    result = services.find_result(principal=principal, job_id=job_id)
    if is_head:
        response: HttpResponseBase = HttpResponse(content_type=OCTETS)
    else:
        content: Iterator[bytes] = services.open_result(principal=principal, result=result)
        response = StreamingHttpResponse(content, content_type=OCTETS)
    response["Content-Length"] = str(result.size)
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=result.name) or ""
    )
    response["Repr-Digest"] = f"sha-256=:{encode_base64(bytes.fromhex(result.job.sha256))}:"
    return response
