"""Spans of the fast path: one for each request, whether it responds or declines."""

import asyncio

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ciphercanary.server.connections.traced_connection import TracedProtocol
from kernel.http import fast_path
from kernel.http.traced_requests import TracedApplication
from kernel.observability import logs, spans
from kernel.observability.span_export import Export
from tests.server.connection import Connection, request

SENT = b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"


class Sometimes(Connection):
    """Declines requests whose id begins with ``d``."""

    async def __call__(self, request, _body, _failure=None):
        self.begun.append((request.request_id, logs.trace_ids()["trace.id"]))
        await asyncio.sleep(0)
        return None if request.request_id.startswith("d") else fast_path.response(b"{}", request.request_id)


async def django(_scope, receive, send):
    await receive()
    response = [(b"content-length", b"0"), (b"x-request-id", b"d")]
    await send({"type": "http.response.start", "status": 503, "headers": response})
    await send({"type": "http.response.body", "body": b""})


def spans_of(parser, *names):
    memory = InMemorySpanExporter()
    spans._export.current = Export(memory)

    async def scene():
        app = TracedApplication(django, [("POST", "/api/v1/encrypt")])
        connection = Sometimes(parser, app=app, protocol=TracedProtocol)
        for name in names:
            head, _, body = request(name).partition(b"\r\n")
            await connection.receive(head + b"\r\n" + SENT + body)
            await connection.settle()
        assert logs.trace_ids() == {}
        return connection.begun

    begun = asyncio.run(scene())
    spans._export.drop()
    return begun, memory.get_finished_spans()


def test_each_request_has_one_span_whichever_path_responds(parser):
    begun, ended = spans_of(parser, "a", "d", "b")
    assert begun == [(name, "0af7651916cd43dd8448eb211c80319c") for name in ("a", "d", "b")]
    common = {"http.request.method": "POST", "http.route": "/api/v1/encrypt"}
    assert [(span.name, dict(span.attributes)) for span in ended] == [
        ("POST /api/v1/encrypt", {**common, "http.response.status_code": status, "http.request.id": name})
        for name, status in (("a", 200), ("d", 503), ("b", 200))
    ]
    assert [span.status.is_ok for span in ended] == [True, False, True]
