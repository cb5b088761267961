"""One HTTP exchange of the door for streams: a body that comes in blocks, an answer that leaves in blocks, and patience.

A block is read only when the one before has left, so neither side piles up in memory.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse

from crypto_ops.api_streams import StreamAnswer
from crypto_ops.spool import Spool
from kernel.databases.threads import call_in_pool
from kernel.http.asgi_answers import Headers, Receive, Scope, Send
from kernel.http.asgi_bodies import IncomingBody, declared_length
from kernel.http.protocol_refusals import body_too_large

IDLE_SECONDS: Final = 30.0
PROGRESS: Final = 64 * 1024  # bytes within that time, or the end of the body: less is as good as nothing
STALL_SECONDS: Final = 0.5  # a client that has read nothing for so long sends first and reads then


class Exchange:
    """A request and its answer. What may wait for a disk or a database runs in a thread of ``pool``."""

    def __init__(self, pool: ThreadPoolExecutor, scope: Scope, receive: Receive, send: Send) -> None:
        self._pool = pool
        self.body = IncomingBody(receive)
        self.scope = scope
        self.send = send
        self._received = 0
        self._patience = asyncio.timeout(None)
        self._progress = 0

    def patience(self) -> asyncio.Timeout:
        """The block that must go on: TimeoutError where nothing came or went for ``IDLE_SECONDS``."""
        self._patience = asyncio.timeout(IDLE_SECONDS)
        return self._patience

    def progress(self, size: int) -> None:
        """So many bytes came or went: there is time for more."""
        self._progress += size
        if self._progress >= PROGRESS:
            self._progress = 0
            self._patience.reschedule(asyncio.get_running_loop().time() + IDLE_SECONDS)

    async def next_block(self, limit: int) -> bytes | None:
        """None at the end of the body. Raises ProtocolError where that is of more than ``limit`` bytes, ClientGone."""
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
        """What has come, once it is complete; before that what the request says, or None where it does not."""
        return self._received if self.body.is_complete else declared_length(self.scope)

    async def in_thread[T](self, call: Callable[..., T], *args: Any) -> T:
        job = asyncio.get_running_loop().run_in_executor(self._pool, call_in_pool, call, *args)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])  # it may be writing to the spool, which is closed next
            raise

    async def answer(self, response: HttpResponse) -> None:
        """All of an answer that is no stream. Where the body has not been read, the connection ends with it."""
        headers = headers_of(response, len(response.content))
        if not self.body.is_complete:
            headers.append((b"connection", b"close"))
        await self.send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await self.send({"type": "http.response.body", "body": response.content})


class Outlet:
    """The answer: sent as it comes, or held while the request is not complete and nobody reads."""

    def __init__(self, exchange: Exchange, head: StreamAnswer) -> None:
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
        # Started at once, and mostly done at once: the event loop is not asked.
        self._sending = asyncio.Task(self._put(block), loop=asyncio.get_running_loop(), eager_start=True)
        if not self._sending.done():
            await asyncio.wait([self._sending], timeout=STALL_SECONDS)
        self._holds = not self._sending.done()

    async def release(self) -> None:
        """The request is complete: whoever sends first reads from now on. What was held leaves."""
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
        headers = headers_of(self._head, self._head.stream.answer_size(self._exchange.body_size))
        return {"type": "http.response.start", "status": self._head.status_code, "headers": headers}

    def give_up(self) -> None:
        """Whatever is still being sent, nobody waits for it any more."""
        if self._sending is not None:
            self._sending.cancel()

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()


def headers_of(response: HttpResponse, size: int | None) -> Headers:
    """Those of the response, for a body of that size (None: not known)."""
    told = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers = [pair for pair in told if pair[0] != b"content-length"]
    return headers if size is None else [*headers, (b"content-length", str(size).encode())]
