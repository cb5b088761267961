"""Responses and errors in the shapes of Vault and OpenBao."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from django.http import HttpResponse

from dialects.errors import Refusal, wrapped
from kernel import errors
from kernel.crypto.errors import DecryptionFailed
from kernel.errors import DomainError
from kernel.http import fast_path
from kernel.http.fast_path import FastResponse
from kernel.http.problems import ProtocolError, status_of

_encode: Final = msgspec.json.Encoder().encode
_AUTHENTICATION_FAILED: Final = "cipher: message authentication failed"
_PERMISSION_DENIED: Final = "permission denied"
_GENERATED: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


def answer(
    request_id: str,
    data: Mapping[str, object] | None,
    *,
    warnings: Sequence[str] = (),
    status: int = 200,
    members: Mapping[str, object] = {},
) -> HttpResponse:
    """A success response. ``members``: more, beside the usual ones."""
    return plain({**_envelope(request_id, data, warnings), **members}, status)


def answer_body(request_id: str, data: Mapping[str, object]) -> bytes:
    """The body of ``answer``."""
    return _body_of(_envelope(request_id, data))


def _envelope(
    request_id: str, data: Mapping[str, object] | None, warnings: Sequence[str] = ()
) -> dict[str, object]:
    return {
        "request_id": _uuid_of(request_id),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": list(warnings) or None,
        "auth": None,
    }


def _body_of(members: Mapping[str, object]) -> bytes:
    return _encode(members) + b"\n"


def _uuid_of(request_id: str) -> str:
    """The spelling of OpenBao, except of an ID that the client chose."""
    if not _GENERATED.fullmatch(request_id):
        return request_id
    parts = request_id[:8], request_id[8:12], request_id[12:16], request_id[16:20], request_id[20:]
    return "-".join(parts)


def plain(body: Mapping[str, object], status: int = 200) -> HttpResponse:
    """A response without the usual members."""
    return HttpResponse(_body_of(body), content_type="application/json", status=status)


def text_of(error: DomainError) -> str:
    """The text of one refusal, for an item of a batch or a request."""
    if isinstance(error, DecryptionFailed):
        return _AUTHENTICATION_FAILED
    return next((messages[0] for messages in error.fields.values() if messages), error.detail)


def refused(error: DomainError) -> HttpResponse:
    """The response to a refused request. A second text explains a missing permission."""
    status, body = _refusal(error)
    return HttpResponse(body, content_type="application/json", status=status)


def _refusal(error: DomainError) -> tuple[int, bytes]:
    """The status and body."""
    status, texts = _form_of(error)
    return status, _body_of({"errors": texts})


def fast_refusal(error: DomainError, request_id: str, *headers: tuple[bytes, bytes]) -> FastResponse:
    """``refused`` on the fast path. ``headers``: of the budget."""
    status, body = _refusal(error)
    return fast_path.refusal(error, status, b"application/json", body, request_id, *headers)


def _form_of(error: DomainError) -> tuple[int, list[str]]:
    match error:
        case Refusal():
            return error.status, [error.detail] if error.detail else []
        case errors.Unauthenticated():
            return HTTPStatus.FORBIDDEN, [_PERMISSION_DENIED]
        case errors.Denied():
            return HTTPStatus.FORBIDDEN, [wrapped(_PERMISSION_DENIED), error.detail]
        case ProtocolError() if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
            return error.status, [wrapped("unsupported operation")]
        case errors.Invalid() | errors.Refused() | errors.Conflict() | errors.Gone():
            return HTTPStatus.BAD_REQUEST, [text_of(error)]
    return status_of(error), [error.detail]
