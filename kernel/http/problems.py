"""HTTP form of the errors: the mapping from kind to status, and RFC 9457 problem documents."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from django.http import HttpRequest, HttpResponse

from kernel import errors
from kernel.http.context import in_context

CONTENT_TYPE = "application/problem+json"

PROBLEM_STATUS: Mapping[type[errors.DomainError], HTTPStatus] = MappingProxyType(
    {
        errors.Invalid: HTTPStatus.BAD_REQUEST,
        errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
        errors.Denied: HTTPStatus.FORBIDDEN,
        errors.NotFound: HTTPStatus.NOT_FOUND,
        errors.Gone: HTTPStatus.GONE,
        errors.Conflict: HTTPStatus.CONFLICT,
        errors.Refused: HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.Throttled: HTTPStatus.TOO_MANY_REQUESTS,
        errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)


class ProtocolError(errors.DomainError):
    """A refusal by HTTP itself (method, media type, size). It belongs to no kind and only has a status."""

    def __init__(
        self, detail: str, *, status: HTTPStatus, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.code = code  # type: ignore[misc]  # one class serves every protocol code
        self.title = status.phrase  # type: ignore[misc]  # likewise


class InternalError(errors.DomainError):
    """An unexpected error. The cause is only in the server log, under the request id."""

    code = "internal"
    title = "Internal error"

    def __init__(self) -> None:
        super().__init__(
            "The request failed. The person who runs this server can find the cause in the server log by the request ID."
        )


def status_of(error: errors.DomainError) -> HTTPStatus:
    """The status of the error's kind."""
    if isinstance(error, ProtocolError):
        return error.status
    for kind, status in PROBLEM_STATUS.items():
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def document(error: errors.DomainError, request_id: str) -> dict[str, object]:
    """The RFC 9457 members of an error, as a complete response."""
    return members(error) | {"request_id": request_id}


def members(error: errors.DomainError) -> dict[str, object]:
    """The members for a part of a response. ``errors`` is present only if fields are at fault."""
    ours: dict[str, object] = {
        "type": f"urn:ciphercanary:problem:{error.code}",
        "title": error.title,
        "status": int(status_of(error)),
        "detail": error.detail,
        "code": error.code,
    }
    if error.fields:
        ours["errors"] = {name: list(messages) for name, messages in error.fields.items()}
    if isinstance(error, errors.Denied):
        ours["rule"] = error.rule
    return error.extra | ours  # extra members must not replace these


def render(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """The response to a refused request. Attaches the error to the request for the audit middleware."""
    in_context(request).refusal = error
    request_id = getattr(request, "request_id", "")  # Django also calls its handlers before any middleware
    response = HttpResponse(
        json.dumps(document(error, request_id)), content_type=CONTENT_TYPE, status=status_of(error)
    )
    if isinstance(error, errors.Unauthenticated):
        response["WWW-Authenticate"] = _challenge(request)
    if "retry_after" in error.extra:
        response["Retry-After"] = str(error.extra["retry_after"])
    if isinstance(error, ProtocolError):
        for name, value in error.headers.items():
            response[name] = value
    return response


def _challenge(request: HttpRequest) -> str:
    # RFC 6750 section 3: a challenge to a request without credentials contains no error code.
    error = ', error="invalid_token"' if "Authorization" in request.headers else ""
    return f'Bearer realm="ciphercanary"{error}'
