"""The fast path's connection with spans. gunicorn's worker uses it only if traces are on."""

from typing import Any

from opentelemetry.trace import Span

from ciphercanary.server.connections.fast_path_connection import FastPathProtocol
from kernel.errors import DomainError
from kernel.http.asgi_responses import Scope
from kernel.http.fast_path import FastHandler, FastRequest, FastResponse
from kernel.http.traced_requests import traceparent
from kernel.observability import spans


class TracedProtocol(FastPathProtocol):
    """If the fast path declines a request, ``TracedApplication`` continues its span."""

    begins_at_once = False  # a span needs the context of a task
    _span: Span | None = None

    async def _respond(
        self, handler: FastHandler[Any], request: FastRequest, body: bytes, failure: DomainError | None
    ) -> None:
        method, path = self._parser.method.decode("latin-1"), self._parser.path.decode("latin-1")
        span = self._span = spans.begin_request(method, path, traceparent(self._headers()))
        try:
            with spans.active(span):
                await super()._respond(handler, request, body, failure)
        finally:
            if not self._is_declined:
                self._span = None
                span.end()

    def _write(self, response: FastResponse) -> None:
        super()._write(response)
        if self._span is not None:
            spans.set_response(self._span, response.status, response.headers)

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        scope = super()._build_http_scope(request, sockname, peername)
        if self._span is not None:
            scope[spans.SPAN], self._span = self._span, None
        return scope
