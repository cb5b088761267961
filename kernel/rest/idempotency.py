"""The header ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header-07): a retry makes no second change."""

import json
import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, Final

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import DomainError, Invalid
from kernel.idempotency.errors import AlreadyCompleted
from kernel.idempotency.models import CompletedRequest
from kernel.idempotency.requests import Attempt, claim, complete
from kernel.rest.views import ApiView

type _Method[V, **P] = Callable[Concatenate[V, Request, P], Response]

HEADER: Final = "Idempotency-Key"
_REPLAYED: Final = "Idempotent-Replayed"
_STORED_HEADERS: Final = ("Location", "ETag")
# A string of RFC 9651 section 3.3.3 or, as many clients send it, its text without quotes. That form excludes the comma,
# because servers join repeated headers with it.
_PATTERN: Final = r'^(?:"(?:[ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\--\[\]-~]{1,255})$'
_KEY: Final = re.compile(_PATTERN.removesuffix("$") + r"\Z")

IDEMPOTENCY_KEY: Final = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": _PATTERN},
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters, such as a UUID, with or without quotes. For 24 hours, a retry "
    "with the same key and body gets the response of the first request and makes no second change.",
)
IDEMPOTENT_REPLAYED: Final = OpenApiParameter(
    _REPLAYED,
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    response=[HTTPStatus.OK.value, HTTPStatus.CREATED.value, HTTPStatus.ACCEPTED.value],
    description="Present if this is the stored response of an earlier request.",
)


def idempotent[V: ApiView[Any], **P](
    *, response_is_secret: bool = False, before: Callable[..., None] | None = None
) -> Callable[[_Method[V, P]], _Method[V, P]]:
    """Let a method of a view accept ``Idempotency-Key``. For methods that create or rotate something.

    The method runs in a transaction that also stores its response, so it must not need a transaction of its own
    (``durable=True``). The response is stored after the service has raised the epoch: a short delay for other requests,
    and the reason why frequent operations do not accept the header. With ``response_is_secret``, only the ``id`` in the
    response is stored, and a retry is refused with it. ``before``: slow work, called before the transaction begins.
    Its errors are raised unless the request is a retry.
    """

    def decorate(method: _Method[V, P]) -> _Method[V, P]:
        @wraps(method)
        def once(view: V, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            attempt = _attempt(view, request)
            if attempt is None:
                return method(view, request, *args, **kwargs)
            fault: Exception | None = None
            if before is not None:
                try:
                    before(view, *args, **kwargs)
                except (DomainError, APIException) as error:
                    fault = error
            with transaction.atomic(durable=True):
                record = claim(attempt)
                if record.is_complete:
                    view.require_visible()
                    return _replay(record)
                if fault is not None:  # the method would do the work again, in the transaction
                    raise fault
                response = method(view, request, *args, **kwargs)
                complete(record, **_stored(response, is_secret=response_is_secret))
            return response

        once.is_idempotent = True  # type: ignore[attr-defined]  # kernel.rest.schema reads it
        return once

    return decorate


def _attempt(view: ApiView[Any], request: Request) -> Attempt | None:
    key = _read_key(request)
    if key is None:
        return None
    principal_id = view.principal.credential_id
    if principal_id is None:
        raise TypeError("an idempotency key belongs to one principal")
    body = json.dumps(request.data, sort_keys=True)
    return Attempt.of(principal_id, key, request.method or "", request.get_full_path(), body)


def _read_key(request: Request) -> str | None:
    header = request.headers.get(HEADER)
    if header is None:
        return None
    text = header.strip(" \t")
    if not _KEY.match(text):
        raise Invalid.of_field(
            HEADER, "Expected 1 to 255 printable ASCII characters, such as a UUID, sent once."
        )
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _stored(response: Response, *, is_secret: bool) -> dict[str, str]:
    if is_secret:
        return {"object_id": str(response.data["id"])}
    headers = {name: response[name] for name in _STORED_HEADERS if name in response}
    document = {"status": response.status_code, "headers": headers, "body": response.data}
    return {"response": JSONRenderer().render(document).decode()}


def _replay(completed: CompletedRequest) -> Response:
    if completed.object_id:
        raise AlreadyCompleted(completed.object_id)
    stored = json.loads(completed.response)
    return Response(stored["body"], stored["status"], headers={**stored["headers"], _REPLAYED: "true"})
