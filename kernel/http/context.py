"""The request with the attributes that ``RequestContext`` and the views set, with types."""

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest
from rest_framework.request import Request

from kernel.errors import DomainError

if TYPE_CHECKING:

    class ContextRequest(HttpRequest):
        """``request_id`` and ``client_ip`` are always set; the others only if a view or a refusal set them.

        ``json_body``: what the parser has read. Django cannot read it again.
        """

        request_id: str
        client_ip: str
        audit_action: str
        audit_object: tuple[str, str]
        json_body: bytes
        refusal: DomainError

else:
    ContextRequest = HttpRequest


def in_context(request: HttpRequest | Request) -> ContextRequest:
    """The same Django request, typed and without DRF's wrapper."""
    bare = request._request if isinstance(request, Request) else request  # noqa: SLF001 - DRF's name for it
    return cast("ContextRequest", bare)


def set_audit_object(request: HttpRequest | Request, object_type: str, object_id: str) -> None:
    """Set the object of the request for the audit event of a refusal."""
    in_context(request).audit_object = (object_type, object_id)
