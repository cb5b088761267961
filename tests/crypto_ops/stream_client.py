"""Calls the streaming interface as an ASGI server does: body blocks go in, response messages come out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connections

from crypto_ops.streaming.endpoint import StreamEndpoint
from tests.log_entries import log_rows

OCTETS = "application/octet-stream"
ENCRYPT, DECRYPT = "/api/v1/stream/encrypt", "/api/v1/stream/decrypt"


@cache
def django() -> WSGIHandler:
    return WSGIHandler()  # created on first use, when the static files of the test session exist


@dataclass
class Server:
    """The server's side of one request. ``messages`` lists, in order, the messages that the application received
    and sent.

    ``between`` is called in a thread before each block is delivered, with the number of that block. With
    ``cut`` the client disconnects after the last block. With ``reads_late`` the client reads nothing until it
    has sent everything.
    """

    blocks: Sequence[bytes]
    cut: bool = False
    reads_late: bool = False
    between: Callable[[int], object] = lambda _: None
    messages: list[dict[str, Any]] = field(default_factory=list)
    given: int = 0

    def __post_init__(self) -> None:
        self.all_sent = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await asyncio.to_thread(self._do_between)
        if self.given >= len(self.blocks):
            return {"type": "http.disconnect"}
        block = self.blocks[self.given]
        self.given += 1
        more = self.cut or self.given < len(self.blocks)
        if not more:
            self.all_sent.set()
        message = {"type": "http.request", "body": block, "more_body": more}
        self.messages.append(message)
        return message

    def _do_between(self) -> None:
        try:
            self.between(self.given)
        finally:
            connections.close_all()

    async def send(self, message: dict[str, Any]) -> None:
        if self.reads_late:
            await self.all_sent.wait()
        self.messages.append(message)


@dataclass
class Carried:
    """The response to a request. ``status`` is 0 if it had not begun; ``is_complete`` is true if it ended."""

    server: Server

    @property
    def _sent(self) -> list[dict[str, Any]]:
        return [message for message in self.server.messages if message["type"].startswith("http.response")]

    @property
    def status(self) -> int:
        return int(self._sent[0]["status"]) if self._sent else 0

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self._sent[0]["headers"]}

    @property
    def content(self) -> bytes:
        return b"".join(message["body"] for message in self._sent[1:])

    @property
    def is_complete(self) -> bool:
        return bool(self._sent) and not self._sent[-1].get(
            "more_body", self._sent[-1]["type"].endswith("start")
        )

    @property
    def responded_after(self) -> int:
        """The number of blocks that the application had received when its response began."""
        kinds = [message["type"] for message in self.server.messages]
        return kinds[: kinds.index("http.response.start")].count("http.request")


def carry(path: str, blocks: Sequence[bytes], *, token: str = "", length: bool = True, **how: Any) -> Carried:
    """Send one request. ``length`` declares the length of the body; ``how`` goes to ``Server``."""
    headers = how.pop("headers", {})
    sent = {"host": "localhost", "content-type": OCTETS, **headers}
    if token:
        sent["authorization"] = f"Bearer {token}"
    if length:
        sent["content-length"] = str(sum(map(len, blocks)))
    where, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": where,
        "query_string": query.encode(),
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
    }

    async def exchange() -> Carried:
        server = Server(blocks, **how)
        endpoint = StreamEndpoint(django(), others=_nobody)
        try:
            await endpoint(scope, server.receive, server.send)
        finally:
            endpoint._pool.shutdown()
        return Carried(server)

    return asyncio.run(exchange())


def _nobody(*_: object) -> Awaitable[None]:
    raise AssertionError("a stream was handed on")


@dataclass(frozen=True)
class StreamInterface:
    """One of the two interfaces, used by a client that sends the whole body at once."""

    name: str
    api: Any

    def post(self, path: str, body: bytes, **headers: str) -> "Outcome":
        token = headers.pop("token", self.api.token)
        if self.name == "endpoint":
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            blocks = [body[at : at + 10_000] for at in range(0, len(body), 10_000)] or [b""]
            response = carry(path, blocks, token=token, headers=named)
            assert response.is_complete
            return Outcome(response.status, response.headers, response.content)
        named = {name.replace("_", "-"): value for name, value in headers.items() if name != "content_type"}
        if token:
            named["Authorization"] = f"Bearer {token}"
        content_type = headers.get("content_type", OCTETS)
        # As an extra: without a body the test client omits the content type.
        whole = self.api._client.generic("POST", path, body, headers=named, CONTENT_TYPE=content_type)
        return Outcome(whole.status_code, {n.lower(): v for n, v in whole.headers.items()}, whole.content)


@dataclass(frozen=True)
class Outcome:
    status: int
    headers: dict[str, str]
    content: bytes


def path(key):
    return f"{ENCRYPT}?key_id={key['id']}"


def entries(action):
    return log_rows().filter(action=f"crypto.stream.{action}").order_by("id")
