"""A bounded bridge from ASGI to a WSGI application.

Django's own ASGI handler gives every request a thread and a database connection, without a limit. This bridge uses
a fixed pool of threads, each of which keeps its connection. The queue is bounded, too: beyond it, requests get 503.
The body is read whole, within a limit, before a thread is used, so a slow sender occupies no thread. A file is sent
block by block after its thread is free again, so a slow reader occupies neither a thread nor memory.
"""

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from wsgiref.types import WSGIApplication

from ciphercanary.server.connections.byte_budget import ByteBudget, Charge
from kernel.databases.lock_waits import WAIT_UNTIL, deadline
from kernel.http import fast_path
from kernel.http.asgi_bodies import ClientGone, IncomingBody, declared_length
from kernel.http.asgi_responses import AsgiResponse, Headers, Receive, Scope, Send, refusal, send_response
from kernel.http.fast_path import FastRoutes
from kernel.http.problems import ProtocolError
from kernel.http.protocol_refusals import body_too_large, overloaded, request_timeout
from kernel.http.wsgi_environ import FileWrapper, environ
from kernel.observability.tracing import bound

WAITING_PER_THREAD = 32
BODY_SECONDS = 30.0
ALL_BODIES = 32  # of full size, in each process
LARGE_BODY = 64 * 1024  # bytes
DECLINED = "ciphercanary.declined"  # in a scope: the fast path has passed this request to the application


class WsgiBridge:
    """Runs a WSGI application in a pool of ``threads`` threads. Bodies above ``max_body_bytes`` get 413.

    ``smaller_limits``: the body limit under a path prefix, in bytes. ``bodies``: the budget of all bodies that
    arrive or wait for their response. ``fast``: the handler to try first, by method and path. ``at_start``: called
    in the event loop when the server starts. ``at_end``: awaited when it stops.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: int,
        max_body_bytes: int,
        bodies: ByteBudget,
        smaller_limits: Mapping[str, int] = MappingProxyType({}),
        fast: FastRoutes | None = None,
        at_start: Callable[[], None] | None = None,
        at_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._application = application
        self._fast = fast or {}
        self._at_start, self._at_end = at_start, at_end
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="django")
        self._max_body_bytes = max_body_bytes
        self._smaller_limits = smaller_limits
        self._capacity = threads * (1 + WAITING_PER_THREAD)
        self._in_flight = 0
        self._bodies = bodies

    @property
    def is_full(self) -> bool:
        """Whether the next request gets 503."""
        return self._in_flight >= self._capacity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        if self._at_start is not None:
            self._at_start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # In this order, because the threads need the event loop for the records of their requests.
        await asyncio.to_thread(self._pool.shutdown)
        if self._at_end is not None:
            await self._at_end()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = IncomingBody(receive)
        try:
            response = await self._respond(scope, incoming)
        except ProtocolError as error:
            response = refusal(scope, error)
        except ClientGone:
            return
        # The slot and the body are released by now, so a slow reader holds neither.
        await send_response(scope, send, response)
        await incoming.linger()

    async def _respond(self, scope: Scope, incoming: IncomingBody) -> AsgiResponse:
        charge = Charge(self._bodies)
        try:
            body = await self._read_body(scope, incoming, charge)
            scope.setdefault(WAIT_UNTIL, deadline())
            response = await self._try_fast_path(scope, body)
            return response or await self._run_in_thread(scope, body, charge)
        finally:
            charge.release()

    async def _try_fast_path(self, scope: Scope, body: bytes) -> AsgiResponse | None:
        handler = None if scope.get(DECLINED) else self._fast.get((scope["method"], scope["path"]))
        request = None if handler is None else fast_path.read_scope(scope, handler.head)
        if handler is None or request is None:
            return None
        response = await handler(request, body)
        if response is None:
            return None
        fast_path.count("asgi", response.status)
        return response.for_asgi()

    async def _run_in_thread(self, scope: Scope, body: bytes, charge: Charge) -> AsgiResponse:
        """Wait for a thread and its response. The slot and the charge are held until the thread is done."""
        if self.is_full:
            raise overloaded()
        loop, abandoned = asyncio.get_running_loop(), threading.Event()
        waiter: asyncio.Future[AsgiResponse] = loop.create_future()
        # ``run_in_executor`` with ``shield`` needs a third future, and callbacks between them.
        job = self._pool.submit(bound(self._run), scope, body, abandoned)
        self._in_flight += 1
        leave = partial(self._leave, charge.move(), waiter)
        job.add_done_callback(lambda job: loop.call_soon_threadsafe(leave, job))
        try:
            # A cancelled wait frees no slot, because the pool's queue still holds the body.
            return await waiter
        finally:
            abandoned.set()

    def _leave(self, charge: Charge, waiter: asyncio.Future[AsgiResponse], job: Future[AsgiResponse]) -> None:
        self._in_flight -= 1
        charge.release()
        if waiter.done():
            return
        if error := job.exception():
            waiter.set_exception(error)
        else:
            waiter.set_result(job.result())

    async def _read_body(self, scope: Scope, incoming: IncomingBody, charge: Charge) -> bytes:
        """Read the whole body and charge it to the budget. Raises ProtocolError, ClientGone."""
        limit = self._limit_of(scope["path"])
        if (declared_length(scope) or 0) > limit:
            raise body_too_large(limit)
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while not incoming.is_complete:
                    await _read_part(incoming, body, limit, charge)
        except TimeoutError:
            raise request_timeout("body") from None
        return bytes(body)

    def _limit_of(self, path: str) -> int:
        for prefix, limit in self._smaller_limits.items():
            if path.startswith(prefix):
                return min(limit, self._max_body_bytes)
        return self._max_body_bytes

    def _run(self, scope: Scope, body: bytes, abandoned: threading.Event) -> AsgiResponse:
        if abandoned.is_set():  # the client left while the request was queued
            return AsgiResponse(0, [], b"")
        try:
            return self._call(scope, body)
        finally:
            if len(body) >= LARGE_BODY:
                # Django's requests are reference cycles. The default collector thresholds would let hundreds of
                # bodies pile up.
                gc.collect(1)

    def _call(self, scope: Scope, body: bytes) -> AsgiResponse:
        """Call the application in this thread. Closing the response here also ends Django's request in this thread."""
        begun = _Start()
        parts: Iterable[bytes] = self._application(environ(scope, body), begun.start)
        try:
            content = parts.take_over() if isinstance(parts, FileWrapper) else None
            if content is None:
                return AsgiResponse(begun.status, begun.headers, b"".join(parts))
        finally:
            close = getattr(parts, "close", None)
            if close:
                close()
        return AsgiResponse(begun.status, begun.headers, content)


async def _read_part(incoming: IncomingBody, body: bytearray, limit: int, charge: Charge) -> None:
    part = await incoming.next_part()
    if len(body) + len(part) > limit:
        raise body_too_large(limit)
    if not charge.grow(len(part)):
        raise overloaded()
    body += part


class _Start:
    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        _exc_info: object = None,
        /,
    ) -> Callable[[bytes], object]:
        """PEP 3333's ``start_response``. Nothing has been sent yet, so a second call simply replaces the first."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return _refuse_write


def _refuse_write(_data: bytes) -> object:
    raise TypeError("the write callable of PEP 3333 is not offered: return the body instead")
