"""Spans of requests, from the first byte of the head to the last of the response. Loaded only if traces are on."""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace

from kernel.http.asgi_responses import Receive, Scope, Send
from kernel.observability import spans

RECORDED_STATUS = "CC-Recorded-Status"  # header for ``TracedApplication``, which removes it

type Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TracedApplication:
    """An ASGI application with a span for each request. ``routes``: methods and paths that Django does not route."""

    def __init__(self, application: Application, routes: Collection[tuple[str, str]]) -> None:
        self._application = application
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        span = scope.pop(spans.SPAN, None) or self._begin(scope)

        async def watch(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                spans.set_response(span, _take_status(message), message["headers"])
            await send(message)

        try:
            with spans.active(span):
                await self._application(scope, receive, watch)
        except Exception as error:
            spans.note_error(error, span)
            raise
        finally:
            span.end()

    def _begin(self, scope: Scope) -> trace.Span:
        method, path = scope["method"], scope["path"]
        route = path if (method, path) in self._routes else ""
        return spans.begin_request(method, route, traceparent(scope["headers"]))


def _take_status(message: MutableMapping[str, Any]) -> int:
    """The status that the span gets: that of the response, unless a header names another one."""
    name = RECORDED_STATUS.lower().encode()
    named = [value for header, value in message["headers"] if header == name]
    if not named:
        return int(message["status"])
    message["headers"] = [(header, value) for header, value in message["headers"] if header != name]
    return int(named[0])


def traceparent(headers: Collection[tuple[bytes, bytes]]) -> bytes:
    """The header of W3C Trace Context; empty if it is missing or repeated."""
    found = [value for name, value in headers if name == b"traceparent"]
    return found[0] if len(found) == 1 else b""


class RouteOfRequest:
    """Django middleware that names the span of a request after its route, and notes the code of a refusal."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.resolver_match is not None:
            route = f"/{request.resolver_match.route}"
            spans.set_route(trace.get_current_span(), str(request.method), route)
        if refusal := getattr(request, "refusal", None):
            spans.note(spans.Attribute.ERROR, refusal.code)
        return response
