"""Refusals by the server itself, before the application sees the request: RFC 9112, limits and overload."""

from collections.abc import Iterable
from http import HTTPStatus

from kernel.errors import DomainError, Overloaded
from kernel.http.problems import InternalError, ProtocolError


def invalid_message(detail: str) -> ProtocolError:
    """400: the request breaks RFC 9112."""
    return ProtocolError(detail, status=HTTPStatus.BAD_REQUEST, code="invalid_request")


def method_not_allowed(allowed: Iterable[str]) -> ProtocolError:
    """405: the URL supports only the ``allowed`` methods."""
    return ProtocolError(
        "This URL does not support this HTTP method.",
        status=HTTPStatus.METHOD_NOT_ALLOWED,
        code="method_not_allowed",
        headers={"Allow": ", ".join(allowed)},
    )


def head_too_large(limit: int) -> ProtocolError:
    """431: the request line and the headers together exceed ``limit`` bytes, or one of them is too large."""
    return ProtocolError(
        f"The request head is too large. The limits are {limit} bytes for the request line and all headers, 8190 bytes "
        "for one header, and 64 headers.",
        status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        code="head_too_large",
    )


def body_too_large(limit: int) -> ProtocolError:
    """413: the body has more than ``limit`` bytes."""
    return ProtocolError(
        f"The body is larger than {limit} bytes.",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        code="request_too_large",
    )


def overloaded() -> ProtocolError:
    """503: ``kernel.errors.Overloaded``, before the application sees the request."""
    error = Overloaded()
    return ProtocolError(
        error.detail,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code=error.code,
        headers={"Retry-After": str(error.extra["retry_after"])},
    )


def request_timeout(what: str) -> ProtocolError:
    """408: ``what`` (such as the body of the request) arrives too slowly."""
    return ProtocolError(
        f"The {what} did not arrive in time.", status=HTTPStatus.REQUEST_TIMEOUT, code="request_timeout"
    )


def refusal_of_status(status: int, max_head: int) -> DomainError:
    """Replaces a refusal of gunicorn, whose own text may quote the request."""
    if status == HTTPStatus.REQUEST_URI_TOO_LONG:
        return ProtocolError(
            "The request line is larger than 8190 bytes.",
            status=HTTPStatus.REQUEST_URI_TOO_LONG,
            code="request_line_too_long",
        )
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return head_too_large(max_head)
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return ProtocolError(
            "This Transfer-Encoding is not supported. Use chunked, or send Content-Length.",
            status=HTTPStatus.NOT_IMPLEMENTED,
            code="not_implemented",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InternalError()
    return invalid_message(
        "The request is not valid HTTP/1.1. Check the request line, the headers and the framing of the body."
    )
