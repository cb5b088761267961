"""A bounded bridge from ASGI to a WSGI application.

Django's own ASGI handler gives every request a thread and a database connection, without a limit. This bridge uses
a fixed pool of threads, each of which keeps its connection. The queue is bounded, too: beyond it, requests get 503.
The body is read whole, within a limit, before a thread is used, so a slow sender occupies no thread. A file is sent
block by block after its thread is free again, so a slow reader occupies neither a thread nor memory.
"""

import asyncio
import gc
import io
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO
from wsgiref.types import WSGIApplication

from ciphercanary import fast_lane
from ciphercanary.asgi_answers import BLOCK, Answer, Headers, Receive, Scope, Send, refusal, send_answer
from ciphercanary.asgi_bodies import ClientGone, IncomingBody, declared_length
from ciphercanary.byte_budget import ByteBudget, Charge
from ciphercanary.fast_lane import HotRoutes
from ciphercanary.lock_waits import WAIT_UNTIL, deadline
from ciphercanary.problems import ProtocolError
from ciphercanary.protocol_refusals import body_too_large, overloaded, request_timeout

WAITING_PER_THREAD = 32
BODY_SECONDS = 30.0
ALL_BODIES = 32  # of full size, in each process
LARGE_BODY = 64 * 1024  # bytes
DECLINED = "ciphercanary.declined"  # in a scope: the hot handler has passed this request to the application


class WsgiBridge:
    """Runs a WSGI application in a pool of ``threads`` threads. Bodies above ``max_body_bytes`` get 413.

    ``smaller_limits``: the body limit under a path prefix, in bytes. ``bodies``: the budget of all bodies that
    arrive or wait for their response. ``hot``: the handler to try first, by method and path. ``at_end``: awaited
    when the server stops.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: int,
        max_body_bytes: int,
        bodies: ByteBudget,
        smaller_limits: Mapping[str, int] = MappingProxyType({}),
        hot: HotRoutes | None = None,
        at_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._application = application
        self._hot = hot or {}
        self._at_end = at_end
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
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._at_end is not None:
            await self._at_end()
        self._pool.shutdown(wait=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = IncomingBody(receive)
        try:
            answer = await self._answer(scope, incoming)
        except ProtocolError as error:
            answer = refusal(scope, error)
        except ClientGone:
            return
        # The slot and the body are released by now, so a slow reader holds neither.
        await send_answer(scope, send, answer)
        await incoming.linger()

    async def _answer(self, scope: Scope, incoming: IncomingBody) -> Answer:
        charge = Charge(self._bodies)
        try:
            body = await self._read_body(scope, incoming, charge)
            scope.setdefault(WAIT_UNTIL, deadline())
            answer = await self._ask_hot(scope, body)
            return answer or await self._run_in_thread(scope, body, charge)
        finally:
            charge.release()

    async def _ask_hot(self, scope: Scope, body: bytes) -> Answer | None:
        handler = None if scope.get(DECLINED) else self._hot.get((scope["method"], scope["path"]))
        request = None if handler is None else fast_lane.read_scope(scope)
        if handler is None or request is None:
            return None
        answer = await handler(request, body)
        if answer is None:
            return None
        fast_lane.count("asgi", answer.status)
        return answer.for_asgi()

    async def _run_in_thread(self, scope: Scope, body: bytes, charge: Charge) -> Answer:
        """Wait for a thread and its response. The slot and the charge are held until the thread is done."""
        if self.is_full:
            raise overloaded()
        abandoned = threading.Event()
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._run, scope, body, abandoned)
        self._in_flight += 1
        job.add_done_callback(partial(self._leave, charge.move()))
        try:
            # Cancelling the job would free its slot while the pool's queue still holds the body.
            return await asyncio.shield(job)
        finally:
            abandoned.set()

    def _leave(self, charge: Charge, _job: object) -> None:
        self._in_flight -= 1
        charge.release()

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

    def _run(self, scope: Scope, body: bytes, abandoned: threading.Event) -> Answer:
        if abandoned.is_set():  # the client left while the request was queued
            return Answer(0, [], b"")
        try:
            return self._call(scope, body)
        finally:
            if len(body) >= LARGE_BODY:
                # Django's requests are reference cycles. The default collector thresholds would let hundreds of
                # bodies pile up.
                gc.collect(1)

    def _call(self, scope: Scope, body: bytes) -> Answer:
        """Call the application in this thread. Closing the response here also ends Django's request in this thread."""
        begun = _Start()
        parts: Iterable[bytes] = self._application(environ(scope, body), begun.start)
        try:
            content = parts.on_disk() if isinstance(parts, FileAnswer) else None
            if content is None:
                return Answer(begun.status, begun.headers, b"".join(parts))
        finally:
            close = getattr(parts, "close", None)
            if close:
                close()
        return Answer(begun.status, begun.headers, content)


async def _read_part(incoming: IncomingBody, body: bytearray, limit: int, charge: Charge) -> None:
    part = await incoming.next_part()
    if len(body) + len(part) > limit:
        raise body_too_large(limit)
    if not charge.grow(len(part)):
        raise overloaded()
    body += part


class FileAnswer:
    """PEP 3333's ``wsgi.file_wrapper``: the bridge sends the file of a response of this type."""

    def __init__(self, file: Any, block_size: int = BLOCK) -> None:
        self._file, self._block_size = file, block_size

    def __iter__(self) -> Iterator[bytes]:
        while block := self._file.read(self._block_size):
            yield block

    def on_disk(self) -> BinaryIO | None:
        """A duplicate of the file at its current position, to be read after the application has closed its own.

        None if it is not a file of the operating system, such as a section of a file.
        """
        try:
            copy = os.fdopen(os.dup(self._file.fileno()), "rb")
        except (AttributeError, OSError):
            return None
        copy.seek(self._file.tell())
        return copy

    def close(self) -> None:
        close = getattr(self._file, "close", None)
        if close:
            close()


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


def environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """The PEP 3333 environment of an ASGI request. Header names with an underscore are dropped.

    ``X_Forwarded_For`` would otherwise become the same variable as ``X-Forwarded-For``.
    """
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    values: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("ascii", "replace"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client[0]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileAnswer,
        WAIT_UNTIL: scope.get(WAIT_UNTIL, deadline()),
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" not in name:
            _add_header(values, name.replace("-", "_"), value)
    values["CONTENT_LENGTH"] = str(len(body))
    return values


def _add_header(values: dict[str, Any], name: str, value: str) -> None:
    key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
    separator = "; " if key == "HTTP_COOKIE" else ","
    values[key] = f"{values[key]}{separator}{value}" if key in values else value
