"""A connection as gunicorn's worker creates it, with its real parsers and a transport that the test controls."""

import asyncio
import json
import logging
from http import HTTPStatus
from types import SimpleNamespace

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.config import Config

from ciphercanary.server.connections.byte_budget import ByteBudget
from ciphercanary.server.connections.fast_path_connection import FastPathProtocol
from kernel.http import fast_path

ROUTE = (b"POST", b"/api/v1/encrypt")


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.written, self.reads, self.closed, self.aborted = b"", True, False, False
        self.unread = 0  # bytes

    def get_extra_info(self, name, default=None):
        return ("192.0.2.1", 4711) if name in {"peername", "sockname"} else default

    def write(self, data):
        self.written += data

    def writelines(self, parts):
        self.written += b"".join(parts)

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def pause_reading(self):
        self.reads = False

    def resume_reading(self):
        self.reads = True

    def close(self):
        self.closed = True

    def get_write_buffer_size(self):
        return self.unread

    def abort(self):
        self.closed = self.aborted = True

    def can_write_eof(self):
        return False

    def is_closing(self):
        return self.closed


async def application(_scope, receive, send):
    """Read the whole body, and respond."""
    while (message := await receive())["type"] == "http.request":
        if not message.get("more_body"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return


class Connection:
    """Fast-path requests get responses ``at_once`` or in a later turn of the loop; ``begun`` lists them."""

    def __init__(
        self,
        parser,
        *,
        at_once=True,
        app=application,
        heads=2**20,
        bodies=2**20,
        protocol=FastPathProtocol,
    ):
        self.begun, self.at_once = [], at_once
        ASGIProtocol._check_h1c_protocol_available()
        config = Config()
        config.set("http_parser", parser)
        config.set("limit_request_fields", 64)  # as in ciphercanary.server.gunicorn
        log = logging.getLogger("test")
        log.access_log_enabled = False  # as in gunicorn's own logger
        worker = SimpleNamespace(
            cfg=config,
            log=log,
            asgi=app,
            loop=asyncio.get_running_loop(),
            nr_conns=0,
            worker_connections=9,
            alive=True,
            nr=0,
            max_requests=10**9,
            fast_routes={ROUTE: self},
            heads=ByteBudget(heads),
            bodies=ByteBudget(bodies),
        )
        self.worker, self._protocol = worker, protocol
        self.connect()

    def connect(self):
        """Open another connection to the same worker, in place of the previous one."""
        self.protocol, self.transport = self._protocol(self.worker), Transport()
        self.protocol.connection_made(self.transport)

    head = fast_path.NATIVE

    def find_caller(self, _request):
        """No caller is known, so each request goes to ``__call__``."""

    async def __call__(self, request, _body, _failure=None):
        self.begun.append(request.request_id)
        if not self.at_once:
            await asyncio.sleep(0)
        return fast_path.response(b"{}", request.request_id)

    async def receive(self, data):
        self.protocol.data_received(data)
        await asyncio.sleep(0.002)

    async def settle(self):
        """Let everything run that waits for nothing but the loop."""
        for _ in range(200):
            await asyncio.sleep(0)

    @property
    def charged(self):
        """Charged bytes, of heads and of bodies."""
        return self.worker.heads.charged, self.worker.bodies.charged

    def problem(self):
        """Status and document of the only response, which is a refusal and the last of its connection."""
        head, _, body = self.transport.written.partition(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ") for line in lines)
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert self.transport.closed
        document = json.loads(body)
        assert headers["x-request-id"] == document["request_id"] != ""
        assert line == f"HTTP/1.1 {document['status']} {HTTPStatus(document['status']).phrase}"
        return document

    @property
    def responded(self):
        lines = self.transport.written.decode().split("\r\n")
        return [line.split(": ")[1] for line in lines if line.startswith("x-request-id")]


def request(name, body=b"{}"):
    return (
        b"POST /api/v1/encrypt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\nX-Request-ID: %b\r\n\r\n%b"
    ) % (len(body), name.encode(), body)
