"""A bounded bridge from ASGI to a WSGI application.

Django's own ASGI handler gives every request a thread and a database connection without limit. Here a fixed
number of lasting threads serves them, each keeping its connection; what waits is bounded too, and answered
503 beyond that. The body is read whole, within a limit, before a thread is taken: a slow sender occupies none. A file
is sent block by block when its thread is free again: a slow reader occupies none, and no memory.
"""

import asyncio
import io
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, BinaryIO
from wsgiref.types import WSGIApplication

from ciphercanary import fast_lane
from ciphercanary.asgi_answers import BLOCK, Answer, Headers, Receive, Scope, Send, refusal, send_answer
from ciphercanary.fast_lane import HotRoutes
from ciphercanary.problems import ProtocolError, body_too_large

WAITING_PER_THREAD = 32
BODY_SECONDS = 30.0
DECLINED = (
    "ciphercanary.declined"  # in a scope: the hot handler has left this very request to the application
)
BODIES_BUFFERED = 32  # of full size, among all that are still arriving or wait for a hot answer


class ClientGone(Exception):
    """The client closed the connection before the request was complete."""


OVERLOADED = ProtocolError(
    "The server is busy; nothing was done. Try again.",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    code="overloaded",
    headers={"Retry-After": "1"},
)
TOO_SLOW = ProtocolError(
    "The body did not arrive in time.", status=HTTPStatus.REQUEST_TIMEOUT, code="request_timeout"
)


class WsgiBridge:
    """Runs a WSGI application in ``threads`` lasting threads. Bodies above ``max_body_bytes`` are 413.

    ``hot``: method and path to who is asked first. ``at_end``: what is awaited when the server stops.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: int,
        max_body_bytes: int,
        hot: HotRoutes | None = None,
        at_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._application = application
        self._hot = hot or {}
        self._at_end = at_end
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="django")
        self._max_body_bytes = max_body_bytes
        self._capacity = threads * (1 + WAITING_PER_THREAD)
        self._in_flight = 0
        self._max_buffered = BODIES_BUFFERED * max_body_bytes
        self._buffered = 0

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
        try:
            body = await self._read_body(receive)
            answer = await self._ask_hot(scope, body)
            if answer is None:
                with self._place():
                    answer = await self._run_in_thread(scope, body)
        except ProtocolError as error:
            await send_answer(scope, send, refusal(scope, error))
        except ClientGone:
            return
        else:
            # Outside: whoever reads slowly keeps no place from others either.
            await send_answer(scope, send, answer)

    async def _ask_hot(self, scope: Scope, body: bytes) -> Answer | None:
        handler = None if scope.get(DECLINED) else self._hot.get((scope["method"], scope["path"]))
        request = None if handler is None else fast_lane.read_scope(scope)
        if handler is None or request is None:
            return None
        with self._buffering(len(body)):
            answer = await handler(request, body)
        if answer is None:
            return None
        fast_lane.count("asgi", answer.status)
        return answer.for_asgi()

    @contextmanager
    def _buffering(self, size: int) -> Iterator[None]:
        """Room for the body of a request that waits for its record. Raises OVERLOADED."""
        if self._buffered + size > self._max_buffered:
            raise OVERLOADED
        self._buffered += size
        try:
            yield
        finally:
            self._buffered -= size

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of those for requests in flight. Raises OVERLOADED."""
        if self._in_flight >= self._capacity:
            raise OVERLOADED
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def _run_in_thread(self, scope: Scope, body: bytes) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, scope, body)

    async def _read_body(self, receive: Receive) -> bytes:
        """The whole body. What all clients together have sent of bodies not yet complete is bounded, too."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while await self._read_part(receive, body):
                    pass
        except TimeoutError:
            raise TOO_SLOW from None
        finally:
            self._buffered -= len(body)
        return bytes(body)

    async def _read_part(self, receive: Receive, body: bytearray) -> bool:
        """Add what comes next to the body; whether more is to come."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        if len(body) + len(part) > self._max_body_bytes:
            raise body_too_large(self._max_body_bytes)
        if self._buffered + len(part) > self._max_buffered:
            raise OVERLOADED
        body += part
        self._buffered += len(part)
        return bool(message.get("more_body"))

    def _run(self, scope: Scope, body: bytes) -> Answer:
        """Call the application in this thread; closing the answer here ends Django's request in it, too."""
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


class FileAnswer:
    """PEP 3333's ``wsgi.file_wrapper``: an application that answers with one has the file sent."""

    def __init__(self, file: Any, block_size: int = BLOCK) -> None:
        self._file, self._block_size = file, block_size

    def __iter__(self) -> Iterator[bytes]:
        while block := self._file.read(self._block_size):
            yield block

    def on_disk(self) -> BinaryIO | None:
        """The file once more, from where it stands, to be read when the application has closed its own.

        None where it is no file of the system: a part of one, say.
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
        """PEP 3333's ``start_response``. Nothing has been sent yet, so a second call simply replaces."""
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
