"""The HTTP response with the file of an export, for all interfaces."""

from uuid import UUID

from django.http.response import HttpResponseBase

from audit.services import exports
from audit.services.exports import Exporter
from kernel.http.downloads import file_response


def download(*, principal: Exporter, job_id: UUID, is_head: bool) -> HttpResponseBase:
    """The file. HEAD returns no content and records nothing.

    Raises Denied, NotFound, NoResult, ResultGone, ResultMissing, AuditUnavailable.
    """
    result = exports.find_result(principal=principal, job_id=job_id)
    content = None if is_head else exports.open_result(principal=principal, result=result)
    return file_response(
        content,
        name=result.name,
        size=result.export.size or 0,
        sha256=result.export.sha256,
        media_type=result.media_type,
    )
