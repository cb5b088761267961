"""Responses in ASGI form, for the layers in front of Django."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, BinaryIO, Final

from django.conf import settings

from kernel.errors import DomainError
from kernel.http import problems
from kernel.http.problems import ProtocolError
from kernel.http.response_headers import choose_request_id, content_security_policy
from kernel.observability.metrics import protocol_refusals_total

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]

BLOCK: Final = 256 * 1024  # bytes of a file in memory at once
# Refusals bypass Django's middleware, so these are the headers that it would set, where they matter.
_REFUSAL_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclass(frozen=True, slots=True)
class AsgiResponse:
    """A complete response, or one whose body is the rest of a file."""

    status: int
    headers: Headers
    content: bytes | BinaryIO


def refusal(scope: Scope, error: DomainError) -> AsgiResponse:
    """A refusal from before Django sees the request, as a problem document like every other one. Counts it."""
    protocol_refusals_total.labels(error.code).inc()
    request_id = _request_id(scope)
    body = json.dumps(problems.document(error, request_id)).encode()
    extra = error.headers if isinstance(error, ProtocolError) else {}
    headers = [
        *_own_headers(problems.CONTENT_TYPE, body, request_id),
        *_REFUSAL_HEADERS,
        (b"connection", b"close"),
        *((name.lower().encode(), value.encode()) for name, value in extra.items()),
    ]
    return AsgiResponse(int(problems.status_of(error)), headers, body)


def early_response(scope: Scope, status: int, content_type: str, body: bytes) -> AsgiResponse:
    """A response that does not come from Django. The connection stays open."""
    headers = _own_headers(content_type, body, _request_id(scope))
    return AsgiResponse(status, [*headers, *middleware_headers()], body)


@lru_cache(1)
def middleware_headers() -> Headers:
    """The headers that Django's middleware adds to each response under these settings; tests compare the two."""
    return [
        (b"cache-control", b"no-store"),
        (b"content-security-policy", content_security_policy().encode()),
        (b"cross-origin-opener-policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY.encode()),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"referrer-policy", settings.SECURE_REFERRER_POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", settings.X_FRAME_OPTIONS.encode()),
    ]


def _request_id(scope: Scope) -> str:
    return choose_request_id(dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1"))


def _own_headers(content_type: str, body: bytes, request_id: str) -> Headers:
    return [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]


def as_http(response: AsgiResponse) -> bytes:
    """A complete response as HTTP/1.1 bytes, for a connection that closes after it."""
    if not isinstance(response.content, bytes):
        raise TypeError("a file is sent in blocks")
    line = b"HTTP/1.1 %d %b\r\n" % (response.status, HTTPStatus(response.status).phrase.encode())
    return line + b"".join(b"%b: %b\r\n" % header for header in response.headers) + b"\r\n" + response.content


async def send_response(scope: Scope, send: Send, response: AsgiResponse) -> None:
    start = {"type": "http.response.start", "status": response.status, "headers": response.headers}
    content = response.content
    # A client would read a body after HEAD as the beginning of the next response (RFC 9110 section 9.3.2).
    has_body = scope["method"] != "HEAD"
    if isinstance(content, bytes):
        await send(start)
        await send({"type": "http.response.body", "body": content if has_body else b""})
        return
    with content:
        await send(start)
        while has_body and (block := await asyncio.to_thread(content.read, BLOCK)):
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
