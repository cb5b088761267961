"""The stream interface: an ASGI application that moves bodies of any size through ``services.streams``.

Django's middleware and the REST view process the head of a request in a thread, like any other request. This module
then transfers the stream that the view has begun. It reads a block only after sending the previous one, so neither
side accumulates in memory. Waits (for the database or the disk) happen in threads. Blocks are sealed in the event
loop, because sealing takes less time than handing the block to a thread.

The response begins while the request still arrives. This would deadlock clients and proxies that do not read before
they have sent everything. Therefore, as soon as the client stops reading, ciphertext is kept in a spool until the
request is complete. Behind proxies it is kept from the start, because nginx stops forwarding a request once its
response begins.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from wsgiref.types import WSGIApplication

from django.http import HttpResponse

from audit.log import refusals
from audit.log.events import Actor, Event
from audit.middleware import HOLDS_REFUSALS, RefusalRecorder
from audit.named_keys import with_key
from crypto_ops.errors import StreamCut
from crypto_ops.streaming.api import TAKES_STREAM, StreamResponse
from crypto_ops.streaming.exchange import Exchange, Outlet
from crypto_ops.streaming.services.streams import Stream
from kernel.crypto.sealing.data_key_stream import key_id_at_start
from kernel.errors import DomainError
from kernel.http.asgi_bodies import ClientGone
from kernel.http.asgi_responses import Receive, Scope, Send, refusal, send_response
from kernel.http.protocol_refusals import overloaded, request_timeout
from kernel.http.wsgi_environ import environ
from kernel.rest.exceptions import translate

ROUTES: Final = frozenset(
    ("POST", path)
    for path in ("/api/v1/stream/encrypt", "/api/v1/stream/decrypt", "/api/v1/files", "/files/upload/")
)
MAX_STREAMS: Final = 32  # in each process
_THREADS: Final = 4
CHECK_SECONDS: Final = 3.0
_OF_SUCCESS: Final = ("Location", "HX-Location")  # headers that a refusal does not have
_GATHERED: Final = 512 * 1024  # bytes
_BEGINNING: Final = 64  # bytes of a refused body, for the key in its header

type _Refusal = tuple[Event, Actor]


class StreamEndpoint:
    """Serves the streams and passes everything else to ``others``. ``application`` is Django's."""

    def __init__(
        self, application: WSGIApplication, *, others: Callable[[Scope, Receive, Send], Awaitable[None]]
    ) -> None:
        self._application = application
        self._others = others
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="streams")
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) not in ROUTES:
            await self._others(scope, receive, send)
            return
        if self._in_flight >= MAX_STREAMS:
            await send_response(scope, send, refusal(scope, overloaded()))
            return
        exchange = Exchange(self._pool, scope, receive, send)
        held: list[_Refusal] = []
        beginning = b""
        self._in_flight += 1
        try:
            try:
                is_refused = await self._serve(exchange, held)
            finally:
                self._in_flight -= 1
            if is_refused:  # after releasing the slot: a refused client must not occupy it while it reads
                beginning = await exchange.body.linger(_BEGINNING if _is_decryption(scope) else 0)
        finally:
            if held:
                await exchange.in_thread(_record, held, beginning)

    async def _serve(self, exchange: Exchange, held: list[_Refusal]) -> bool:
        """Whether the request was refused before a stream began."""
        begun: list[Stream] = []
        try:
            response = await exchange.in_thread(self._call_django, exchange.scope, begun, held)
            if isinstance(response, StreamResponse):
                await _transfer(exchange, response)
            else:
                await exchange.respond(response)
        finally:
            for stream in begun:  # all have ended already, except one that Django began but did not return
                stream.end(StreamCut())
        return not isinstance(response, StreamResponse)

    def _call_django(self, scope: Scope, begun: list[Stream], held: list[_Refusal]) -> HttpResponse:
        """Django's response to the head of the request: a StreamResponse, or a refusal, which is not recorded yet."""
        lists = {TAKES_STREAM: begun, HOLDS_REFUSALS: held}
        response: Any = self._application(environ(scope, b"") | lists, _ignore_start)
        response.close()
        return response  # type: ignore[no-any-return]  # PEP 3333 promises an iterable; Django returns its response


async def _transfer(exchange: Exchange, head: StreamResponse) -> None:
    outlet = Outlet(exchange, head)
    error: DomainError | None = StreamCut()  # also if the task is cancelled: no other cause is known then
    try:
        async with exchange.idle_timeout():
            await _transform(exchange, head.stream, outlet)
        error = None
    except TimeoutError:
        error = request_timeout("stream")
    except ClientGone:
        pass
    except Exception as caught:  # noqa: BLE001 - ``translate`` logs unexpected exceptions
        error = translate(caught)
    finally:
        outlet.give_up()
        refused = await exchange.in_thread(_end, head, outlet, error)
    # A response that has begun is never completed: the server closes the connection without the last chunk.
    if refused is not None and not outlet.has_begun and not isinstance(error, StreamCut):
        await exchange.respond(refused)
        await exchange.body.linger()


async def _transform(exchange: Exchange, stream: Stream, outlet: Outlet) -> None:
    checked = time.monotonic()
    while (block := await _next_bytes(exchange, stream)) is not None:
        done = await exchange.in_thread(stream.write, block) if stream.waits else stream.write(block)
        if done:
            await outlet.write(done)
        if time.monotonic() - checked >= CHECK_SECONDS:
            await exchange.in_thread(stream.check)
            checked = time.monotonic()
    rest = await exchange.in_thread(stream.finish)
    await outlet.release()
    while (block := await exchange.in_thread(next, rest, None)) is not None:
        await outlet.write(block)
    await outlet.complete()


async def _next_bytes(exchange: Exchange, stream: Stream) -> bytes | None:
    """The next bytes of the body; None at its end. A stream that waits gets many blocks at once: each costs a thread."""
    blocks: list[bytes] = []
    size = 0
    while size < (_GATHERED if stream.waits else 1):
        block = await exchange.next_block(stream.max_body)
        if block is None:
            break
        blocks.append(block)
        size += len(block)
    return b"".join(blocks) if blocks else None


def _end(head: StreamResponse, outlet: Outlet, error: DomainError | None) -> HttpResponse | None:
    """End the stream. After a failure, record it and return the refusal, which is sent if no response has begun."""
    head.stream.end(error)
    outlet.close()
    if error is None:
        return None
    head.request.audit_object = ("key", str(head.stream.named_key or ""))
    refused = head.refusal(head.request, error)
    del head.request.META[HOLDS_REFUSALS]
    RefusalRecorder(lambda _: refused)(head.request)
    for name, value in head.items():
        if name not in _OF_SUCCESS:
            refused.headers.setdefault(name, value)
    return refused


def _is_decryption(scope: Scope) -> bool:
    """Whether the body is a ciphertext. A plaintext is never examined."""
    return scope["path"].endswith("/decrypt") or b"operation=decrypt" in scope["query_string"].split(b"&")


def _record(held: Sequence[_Refusal], beginning: bytes) -> None:
    """Record refusals that came before the body was read, with the key in its header."""
    for event, actor in held:
        refusals.note(with_key(event, key_id_at_start(beginning)), actor)


def _ignore_start(*_: Any) -> Callable[[bytes], object]:
    """PEP 3333's ``start_response``; the response itself has the same information."""
    return lambda _: None
