"""A collector of traces for tests: it accepts OTLP over HTTP on loopback, and keeps the spans."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Listens from entering the block to leaving it. ``content`` is every byte that arrived."""

    def __init__(self) -> None:
        self.content = b""
        self.spans: list[Any] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def trace_of(self, name: str) -> list[Any]:
        """The spans of the newest trace with a span of this name, in the order of their begin."""
        found = [span for span in self.spans if span.name == name]
        assert found, sorted({span.name for span in self.spans})
        newest = max(found, key=lambda span: span.start_time_unix_nano)
        members = [span for span in self.spans if span.trace_id == newest.trace_id]
        return sorted(members, key=lambda span: span.start_time_unix_nano)

    def _receive(self, body: bytes, headers: Any) -> None:
        self.content += body
        self.headers.append(headers)
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(values(part.resource))
            self.spans += [span for scope in part.scope_spans for span in scope.spans]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector._receive(self.rfile.read(int(self.headers["Content-Length"])), self.headers)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def values(described: Any) -> dict[str, Any]:
    """The attributes of a span or resource, by name."""
    return {each.key: each.value.string_value or each.value.int_value for each in described.attributes}
