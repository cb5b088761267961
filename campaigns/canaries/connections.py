"""Many connections with a call in flight each."""

import asyncio
import re
import threading
import time
from typing import Any, NamedTuple

PAUSE = 0.1  # seconds after a refusal
AT_ONCE = 100  # connections that are opened together
OK = 200


class Response(NamedTuple):
    began: float
    ended: float
    status: int
    path: str


class Caller(asyncio.Protocol):
    """One connection. It notes each response, and sends its request again."""

    def __init__(self, load: "Load", request: bytes) -> None:
        self.load, self.request, self.received = load, request, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.open.add(self)
        self.send()

    def send(self) -> None:
        if self.load.is_over:
            self.transport.close()
        else:
            self.began = time.time()
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self.received = b""
        status = int(head.split()[1])
        self.load.responses.append(
            Response(self.began, time.time(), status, self.request.split()[1].decode())
        )
        if status == OK:
            self.send()
        else:
            self.load.loop.call_later(PAUSE, self.send)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.open.discard(self)
        self.load.lost += not self.load.is_over
        if self.load.is_over and not self.load.open:
            self.load.ended.set()


class Load(threading.Thread):
    """A thread with a connection for each request."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        super().__init__()
        self.port, self.requests = port, requests
        self.responses: list[Response] = []
        self.open: set[Caller] = set()
        self.lost = 0
        self.is_over = False

    def run(self) -> None:
        asyncio.run(self._send_all())

    async def _send_all(self) -> None:
        self.loop, self.ended = asyncio.get_running_loop(), asyncio.Event()
        for start in range(0, len(self.requests), AT_ONCE):
            some = self.requests[start : start + AT_ONCE]
            await asyncio.gather(*(self._connect(request) for request in some))
        await self.ended.wait()

    async def _connect(self, request: bytes) -> None:
        await self.loop.create_connection(lambda: Caller(self, request), "127.0.0.1", self.port)

    def end(self) -> None:
        """Every call in flight gets its response first."""
        self.is_over = True
        self.join()
