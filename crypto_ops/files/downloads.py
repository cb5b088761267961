"""The HTTP response with the result of a file job, for all interfaces."""

from typing import Final
from uuid import UUID

from django.http.response import HttpResponseBase

from accounts.principals import Principal
from crypto_ops.files import services
from kernel.http.downloads import file_response

OCTETS: Final = "application/octet-stream"


def download(*, principal: Principal, job_id: UUID, is_head: bool) -> HttpResponseBase:
    """The content. HEAD returns none and records nothing.

    Raises Denied, NotFound, NoResult, ResultGone, ResultMissing, KeyNotUsable, AuditUnavailable.
    """
    result = services.find_result(principal=principal, job_id=job_id)
    content = None if is_head else services.open_result(principal=principal, result=result)
    return file_response(
        content, name=result.name, size=result.size, sha256=result.job.sha256, media_type=OCTETS
    )
