"""Reads and writes HTTP for the fast path, without Django.

This module handles only the plain requests that clients usually send. Anything unusual (another media type, a
repeated header, a host that Django would reject) falls back to Django, whose response is authoritative.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol

from django.conf import settings
from msgspec import Struct
from prometheus_client import Counter

from kernel.errors import DomainError
from kernel.http import problems
from kernel.http.addresses import client_address
from kernel.http.allowed import is_allowed_host, may_forward
from kernel.http.asgi_responses import AsgiResponse, Headers, Scope, middleware_headers
from kernel.http.response_headers import choose_request_id
from kernel.observability.metrics import fast_path_responses_total

_READ = frozenset(
    {
        b"accept",
        b"content-encoding",
        b"content-type",
        b"host",
        b"sec-fetch-site",
        b"user-agent",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-request-id",
    }
)
_JSON = b"application/json"
_ACCEPTED = frozenset({None, b"*/*", _JSON})


class HeadForm(Struct, frozen=True):
    """The heads that a route reads. ``token``: the header of the token, with ``scheme`` before it. ``passed_on``: a
    request with one of these headers goes to Django. ``media_types``: None for a request without one.
    """

    token: bytes = b"authorization"
    scheme: bytes = b"Bearer "
    media_types: frozenset[bytes | None] = frozenset({_JSON})
    passed_on: frozenset[bytes] = frozenset()


NATIVE: Final = HeadForm()


class FastRequest(Struct, frozen=True):
    """A request with its unverified token. Its ``repr`` does not show the token.

    ``has_own_id``: the client chose the request id.
    """

    token: str
    client_ip: str
    user_agent: str
    request_id: str
    has_own_id: bool = False

    def __repr__(self) -> str:
        return f"<FastRequest {self.request_id}>"


class FastResponse(Struct, frozen=True):
    """A response with the headers that vary; the constant headers are added later."""

    status: int
    headers: Headers
    body: bytes

    def for_asgi(self) -> AsgiResponse:
        return AsgiResponse(self.status, [*self.headers, *_constant_headers()], self.body)

    def head(self) -> bytes:
        """The response head without its final line and the headers that the server adds."""
        lines = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        return _status_line(self.status) + lines + _constant_lines()


class Exchange(Protocol):
    """A request on a connection that waits for its response. One of the methods is called, once."""

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        ...

    def respond(self, head: bytes, body: bytes) -> None:
        """Send the response. ``head`` is without the lines that the server adds."""
        ...

    def retry(self, failure: DomainError | None) -> None:
        """Start over with the handler's call. ``failure``: why the decision was not recorded."""
        ...


class FastHandler[C](Protocol):
    """Handles the requests of one route, for callers of type C."""

    @property
    def head(self) -> HeadForm: ...

    async def __call__(
        self, request: FastRequest, body: bytes, failure: DomainError | None = None, /
    ) -> FastResponse | None:
        """Respond to a request with its complete body, or return None to pass it to Django."""
        ...

    def find_caller(self, request: FastRequest, /) -> C | None:
        """The caller, if it is known. A later request with the same head has the same caller."""
        ...

    def begin(self, caller: C, request_id: str, body: bytes, exchange: Exchange, /) -> bool:
        """Take a request that can be decided at once. False otherwise: then it goes to ``__call__``."""
        ...


type FastRoutes = Mapping[tuple[str, str], FastHandler[Any]]
"""By method and path."""


class NamedRoutes[T](dict[tuple[T, T], FastHandler[Any]]):
    """Routes, some of whose paths contain a name: ``get`` calls ``find`` for these."""

    def __init__(
        self,
        routes: Mapping[tuple[T, T], FastHandler[Any]],
        find: Callable[[T, T], FastHandler[Any] | None],
    ) -> None:
        super().__init__(routes)
        self._find = find

    def get(self, where: tuple[T, T], default: Any = None) -> Any:
        found = super().get(where)
        return found or self._find(*where) or default


def read_scope(scope: Scope, form: HeadForm) -> FastRequest | None:
    """The request of an ASGI scope if the fast path supports it; None passes it to Django."""
    if scope["query_string"]:
        return None
    peer = scope.get("client")
    return read(scope["headers"], str(peer[0]) if peer else "", str(scope.get("scheme")), form)


def read(
    headers: Iterable[tuple[bytes, bytes]], peer: str, scheme: str, form: HeadForm = NATIVE
) -> FastRequest | None:
    """Like ``read_scope``, for headers of a request without a query string. Names are in lower case."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ or name == form.token:
            if name in found:
                return None
            found[name] = value
        elif name in form.passed_on:
            return None
    if not may_forward(peer):
        found.pop(b"x-forwarded-for", None)
        found.pop(b"x-forwarded-proto", None)
    credentials = found.get(form.token, b"")
    if not credentials or not credentials.startswith(form.scheme) or not _is_plain(found, scheme, form):
        return None
    sent_id = found.get(b"x-request-id", b"").decode("latin-1")
    request_id = choose_request_id(sent_id)
    return FastRequest(
        token=credentials[len(form.scheme) :].decode("latin-1"),
        client_ip=client_address(
            peer, found.get(b"x-forwarded-for", b"").decode("latin-1"), settings.CC_TRUSTED_PROXIES
        ),
        user_agent=found.get(b"user-agent", b"").decode("latin-1"),
        request_id=request_id,
        has_own_id=request_id == sent_id,
    )


def _is_plain(found: Mapping[bytes, bytes], scheme: str, form: HeadForm) -> bool:
    return (
        found.get(b"content-type") in form.media_types
        and found.get(b"accept") in _ACCEPTED
        and b"content-encoding" not in found
        and b"sec-fetch-site" not in found
        and is_allowed_host(found.get(b"host", b""))
        and (not settings.CC_TLS or _is_secure(found, scheme))
    )


def _is_secure(found: Mapping[bytes, bytes], scheme: str) -> bool:
    if settings.SECURE_PROXY_SSL_HEADER:
        return found.get(b"x-forwarded-proto") == b"https"
    return scheme == "https"


def response(body: bytes, request_id: str, *more: tuple[bytes, bytes]) -> FastResponse:
    """A success response."""
    return FastResponse(200, _headers(_JSON, body, request_id, more), body)


def head_of(size: int, request_id: str, lines: bytes) -> bytes:
    """The head of ``response`` for a body of ``size`` bytes, as ``FastResponse.head``. ``lines``: from ``shared_lines``."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-request-id: %b\r\n%b" % (
        size,
        request_id.encode("latin-1"),
        lines,
    )


def shared_lines(more: Iterable[tuple[str, str]]) -> bytes:
    """The header lines that success responses to one caller have in common. ``more`` are the caller's own."""
    lines = "".join([f"{name.lower()}: {value}\r\n" for name, value in more])
    return b"content-type: %b\r\n%b%b" % (_JSON, lines.encode(), _constant_lines())


def problem(error: DomainError, request_id: str, *more: tuple[bytes, bytes]) -> FastResponse:
    """A refusal, identical to the one that ``kernel.http.problems.render`` makes."""
    body = json.dumps(problems.document(error, request_id)).encode()
    status = int(problems.status_of(error))
    return refusal(error, status, problems.CONTENT_TYPE.encode(), body, request_id, *more)


def refusal(
    error: DomainError,
    status: int,
    content_type: bytes,
    body: bytes,
    request_id: str,
    *more: tuple[bytes, bytes],
) -> FastResponse:
    """A refusal whose body another format has."""
    if "retry_after" in error.extra:
        more = (*more, (b"retry-after", str(error.extra["retry_after"]).encode()))
    return FastResponse(status, _headers(content_type, body, request_id, more), body)


def _headers(
    content_type: bytes, body: bytes, request_id: str, more: tuple[tuple[bytes, bytes], ...]
) -> Headers:
    return [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("latin-1")),
        *more,
    ]


def count(way: str, status: int, responses: int = 1) -> None:
    """Count responses to requests that arrived from the ``parser`` or over ``asgi``."""
    _counter(way, status).inc(responses)


@cache
def _counter(way: str, status: int) -> Counter:
    return fast_path_responses_total.labels(way=way, status=str(status))


@lru_cache(1)
def _constant_headers() -> Headers:
    """The headers that Django's middleware adds to each API response under these settings; a test compares the two."""
    headers = [(b"vary", b"Authorization"), *middleware_headers()]
    if settings.SECURE_HSTS_SECONDS:
        headers.append((b"strict-transport-security", b"max-age=%d" % settings.SECURE_HSTS_SECONDS))
    return headers


@lru_cache(1)
def _constant_lines() -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in _constant_headers()])


@lru_cache(64)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
