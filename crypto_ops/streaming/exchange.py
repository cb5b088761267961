"""One HTTP exchange of a stream: request and response bodies in blocks, with an idle timeout.

It reads a block only after sending the previous one, so neither side accumulates in memory.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse

from crypto_ops.streaming.api import StreamResponse
from crypto_ops.streaming.services.spool import Spool
from kernel.databases.transactions import call_in_pool
from kernel.http.asgi_bodies import IncomingBody, declared_length
from kernel.http.asgi_responses import Headers, Receive, Scope, Send
from kernel.http.protocol_refusals import body_too_large
from kernel.observability.tracing import bound

IDLE_SECONDS: Final = 30.0
PROGRESS: Final = 64 * 1024  # bytes within that time, or the end of the body: less does not count as progress
STALL_SECONDS: Final = 0.5  # a client that has not read for this long sends everything before it reads


class Exchange:
    """A request and its response. Calls that may wait for a disk or a database run in a thread of ``pool``."""

    def __init__(self, pool: ThreadPoolExecutor, scope: Scope, receive: Receive, send: Send) -> None:
        self._pool = pool
        self.body = IncomingBody(receive)
        self.scope = scope
        self.send = send
        self._received = 0
        self._idle_timeout = asyncio.timeout(None)
        self._progress = 0

    def idle_timeout(self) -> asyncio.Timeout:
        """A context that raises TimeoutError after ``IDLE_SECONDS`` without progress in either direction."""
        self._idle_timeout = asyncio.timeout(IDLE_SECONDS)
        return self._idle_timeout

    def progress(self, size: int) -> None:
        """Record transferred bytes, which extend the timeout."""
        self._progress += size
        if self._progress >= PROGRESS:
            self._progress = 0
            self._idle_timeout.reschedule(asyncio.get_running_loop().time() + IDLE_SECONDS)

    async def next_block(self, limit: int) -> bytes | None:
        """The next block; None at the end of the body. Raises ProtocolError above ``limit`` bytes, ClientGone."""
        if self.body.is_complete:
            return None
        if (self.body_size or 0) > limit:
            raise body_too_large(limit)
        block = await self.body.next_part()
        self._received += len(block)
        if self._received > limit:
            raise body_too_large(limit)
        self.progress(len(block))
        return block

    @property
    def body_size(self) -> int | None:
        """The number of bytes received once complete; before that, the declared length or None."""
        return self._received if self.body.is_complete else declared_length(self.scope)

    async def in_thread[T](self, call: Callable[..., T], *args: Any) -> T:
        job = asyncio.get_running_loop().run_in_executor(self._pool, bound(call_in_pool), call, *args)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])  # it may be writing to the spool, which is closed next
            raise

    async def respond(self, response: HttpResponse) -> None:
        """Send a complete response that is no stream. If the body was not read, the connection closes after it."""
        headers = _headers_of(response, len(response.content))
        if not self.body.is_complete:
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await self.send({"type": "http.response.body", "body": response.content})


class Outlet:
    """The response: sent as it is produced, or kept while the request is incomplete and the client does not read."""

    def __init__(self, exchange: Exchange, head: StreamResponse) -> None:
        self._exchange = exchange
        self._head = head
        self.has_begun = False
        self._is_released = False
        self._holds = settings.CC_TRUSTED_PROXIES > 0
        self._sending: asyncio.Task[None] | None = None
        self._spool: Spool | None = None

    async def write(self, block: bytes) -> None:
        """Raises SpoolNotWritten."""
        if self._is_released:
            await self._put(block)
        elif self._holds:
            self._spool = self._spool or Spool()
            await self._exchange.in_thread(self._spool.write, block)
        else:
            await self._try(block)

    async def _try(self, block: bytes) -> None:
        # Eager start: the send usually completes at once, without a turn of the event loop.
        self._sending = asyncio.Task(self._put(block), loop=asyncio.get_running_loop(), eager_start=True)
        if not self._sending.done():
            await asyncio.wait([self._sending], timeout=STALL_SECONDS)
        self._holds = not self._sending.done()

    async def release(self) -> None:
        """Send everything that was kept. The request is complete, so clients that send first now read."""
        self._is_released = True
        if self._sending is not None:
            await self._sending
        if self._spool is not None:
            await self._exchange.in_thread(self._spool.rewind)
            while block := await self._exchange.in_thread(self._spool.read):
                await self._put(block)

    async def complete(self) -> None:
        await self._put(b"")
        await self._exchange.send({"type": "http.response.body", "body": b""})

    async def _put(self, block: bytes) -> None:
        if not self.has_begun:
            self.has_begun = True
            await self._exchange.send(self._start())
        if block:
            await self._exchange.send({"type": "http.response.body", "body": block, "more_body": True})
            self._exchange.progress(len(block))

    def _start(self) -> dict[str, Any]:
        headers = _headers_of(self._head, self._head.stream.response_size(self._exchange.body_size))
        return {"type": "http.response.start", "status": self._head.status_code, "headers": headers}

    def give_up(self) -> None:
        """Cancel a send in progress that is no longer needed."""
        if self._sending is not None:
            self._sending.cancel()

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()


def _headers_of(response: HttpResponse, size: int | None) -> Headers:
    """The headers of the response for a body of ``size`` bytes (None if unknown)."""
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    cookies = [(b"set-cookie", each.OutputString().encode("latin-1")) for each in response.cookies.values()]
    headers = [*(pair for pair in pairs if pair[0] != b"content-length"), *cookies]
    return headers if size is None else [*headers, (b"content-length", str(size).encode())]
