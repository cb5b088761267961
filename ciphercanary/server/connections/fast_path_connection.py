"""A connection with a fast path, which goes from the parser to the handler without ASGI.

The fast path accepts only simple requests: a complete, short request of one of its routes on a keep-alive connection. All
other requests, and those that the handler passes to Django, continue through gunicorn's own code with its limits
and timeouts. This module depends on gunicorn's internals and supports only the one version that is pinned.
"""

import asyncio
import time
from typing import Any, ClassVar, Final

from gunicorn.asgi import protocol
from gunicorn.asgi.parser import ParseError
from gunicorn.http.errors import ParseException

from ciphercanary.server.connections.bounded_connection import HTTP_1_1
from ciphercanary.server.connections.bridge import BODY_SECONDS, DECLINED
from ciphercanary.server.connections.known_head import KnownHead, KnownHeadProtocol
from kernel.databases import lock_waits
from kernel.databases.lock_waits import WAIT_UNTIL
from kernel.errors import DomainError
from kernel.http import fast_path
from kernel.http.asgi_responses import Scope
from kernel.http.fast_path import FastHandler, FastRequest, FastResponse
from kernel.http.problems import ProtocolError

_MAX_FAST_BODY: Final = 64 * 1024  # bytes
_MAX_IN_PIECES: Final = 16 * 1024  # per connection, of a body that does not arrive with its head


class FastPathProtocol(KnownHeadProtocol):
    """One connection. Implements ``kernel.http.fast_path.Exchange`` for the one request that is being decided.

    ``_handler`` is set from the head of a request on the fast path until the next request may begin. A request whose head repeats
    that of the last one is not parsed, and leaves it unset.
    """

    begins_at_once: ClassVar[bool] = True

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self._handler: FastHandler[Any] | None = None
        self._chunks: list[bytes] = []
        self._is_whole = False
        self._is_begun = False  # respond to a request only once, even if more data arrives meanwhile
        self._is_declined = False
        self._received_at = 0.0
        self._peer = ""
        self._request: FastRequest | None = None
        self._failure: DomainError | None = None
        self._is_retry = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""

    def _is_busy(self) -> bool:
        return self._is_deciding or self._waiting is not None

    # --- the responses of requests that were begun at once

    @property
    def is_open(self) -> bool:
        return not self._closed

    def respond(self, head: bytes, body: bytes) -> None:
        self._is_deciding = False
        self._body.release()
        if self._request is not None:
            self._chunks.clear()
            self._request = None
        if self._closed:
            return
        self._send(head, body)
        if self._flow_control.write_paused:
            self._responding = self.worker.loop.create_task(self._await_reader())
        elif self._unparsed and not self._early and self.worker.alive:
            self._unparsed = b""  # like ``_await_next``, but this request has set nothing else
        else:
            self._await_next()

    async def _await_reader(self) -> None:
        await self._flow_control.drain()
        if not self._closed:
            self._await_next()

    def retry(self, failure: DomainError | None) -> None:
        self._known = None
        if self._closed:
            self._is_deciding = False
            self._body.release()
        elif self._unparsed:
            self._is_deciding = False
            self._body.release()
            data, self._unparsed = self._unparsed + self._take_early(), b""
            self._failure, self._is_retry, self._is_ready = failure, True, False
            super().data_received(data)
        elif self._handler is not None and self._request is not None:
            self._decide(self._handler, self._request, b"".join(self._chunks), failure)

    # --- all others

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        """Mark the scope if the fast path has already declined the whole request, so that it is not tried again."""
        scope: Scope = super()._build_http_scope(request, sockname, peername)
        scope[DECLINED] = self._is_declined
        if self._is_declined:
            # Django gets the rest of the request's wait time.
            scope[WAIT_UNTIL] = self._received_at + lock_waits.limit()
        return scope

    def _on_headers_complete(self) -> bool:
        self._is_declined = False
        self._handler = self._find_handler()
        if self._handler is None:
            self._data = b""  # it may contain a password
            return super()._on_headers_complete()
        self._callback_parser.end_head()
        return False

    def _find_handler(self) -> FastHandler[Any] | None:
        parser = self._parser
        handler: FastHandler[Any] | None = self.worker.fast_routes.get((parser.method, parser.path))
        if handler is None or parser.http_version != HTTP_1_1 or not parser.should_keep_alive:
            return None
        length = parser.content_length
        is_short = not parser.is_chunked and length is not None and length <= _MAX_FAST_BODY
        return handler if is_short and self.worker.alive else None

    def _on_body(self, chunk: bytes) -> None:
        if self._handler is None:
            super()._on_body(chunk)
        else:
            self._chunks.append(chunk)

    def _on_message_complete(self) -> None:
        if self._handler is None:
            super()._on_message_complete()
        else:
            self._is_whole = True

    def _feed_callback_parser(self, data: bytes) -> bool:
        if not super()._feed_callback_parser(data):
            return False
        if self._handler is not None and not self._is_begun:
            self._begin(self._handler)
        return True

    def _begin(self, handler: FastHandler[Any]) -> None:
        if not self._is_whole and self._parser.content_length <= _MAX_IN_PIECES:
            # Many clients send the head and a short body in two packets.
            if self._waiting is None and self._body.grow(self._parser.content_length):
                self._waiting = self.worker.loop.call_later(BODY_SECONDS, self._stop_waiting)
            if self._waiting is not None:
                return
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        request = self._read_head(handler) if self._is_whole else None
        if request is None or not (self._body.size or self._body.grow(self._parser.content_length)):
            self._pass_to_gunicorn()  # which responds 503 if there is no room for the body
            return
        self._is_begun = self._is_deciding = True
        self._received_at = time.monotonic()
        body = b"".join(self._chunks)
        is_retry, self._is_retry = self._is_retry, False
        if is_retry or not self.begins_at_once or not self._begin_at_once(handler, request, body):
            failure, self._failure = self._failure, None
            self._decide(handler, request, body, failure)

    def _begin_at_once(self, handler: FastHandler[Any], request: FastRequest, body: bytes) -> bool:
        caller = handler.find_caller(request)
        if caller is None:
            return False
        head_size = len(self._data) - len(body)
        is_alone = head_size > 0 and not self._callback_parser.has_more  # otherwise the head was not kept
        if not handler.begin(caller, request.request_id, body, self):
            return False
        self._request = request
        if is_alone:
            self._known = KnownHead.of(self._data, head_size, handler, caller, request)
        return True

    def _decide(
        self, handler: FastHandler[Any], request: FastRequest, body: bytes, failure: DomainError | None
    ) -> None:
        # Eager start: a request that the handler can decide at once needs no turn of the event loop.
        task = asyncio.Task(
            self._respond(handler, request, body, failure), loop=self.worker.loop, eager_start=True
        )
        if not task.done():
            self._responding = task

    def _stop_waiting(self) -> None:
        """Pass the request to gunicorn, whose code responds to slow senders."""
        self._waiting = None
        if not self._closed and self._handler is not None and not self._is_whole:
            self._pass_to_gunicorn()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self._take_early()
        if not self._is_deciding:
            self._body.release()
            if self._responding is not None:
                self._responding.cancel()  # it waits for the client to read the response
                self._responding = None
        super().connection_lost(exc)

    def _read_head(self, handler: FastHandler[Any]) -> FastRequest | None:
        scheme = "https" if self._is_ssl else "http"
        return fast_path.read(self._headers(), self._peer, scheme, handler.head)

    async def _respond(
        self, handler: FastHandler[Any], request: FastRequest, body: bytes, failure: DomainError | None
    ) -> None:
        response = await handler(request, body, failure)
        self._is_deciding = False
        if response is None and not self._closed:
            self._pass_to_gunicorn()
            return
        del body  # a slow reader must not keep it in memory
        self._chunks.clear()
        self._body.release()
        if self._closed or response is None:
            return
        self._write(response)
        if self._flow_control.write_paused:
            await self._flow_control.drain()
        if not self._closed:
            self._await_next()

    def _write(self, response: FastResponse) -> None:
        fast_path.count("parser", response.status)
        self._send(response.head(), response.body)

    def _send(self, head: bytes, body: bytes) -> None:
        worker = self.worker
        worker.nr += 1
        if worker.nr >= worker.max_requests:
            worker.alive = False
        end = b"\r\n" if worker.alive else b"Connection: close\r\n\r\n"
        date = protocol._get_cached_date_header()  # noqa: SLF001 - the same as gunicorn's own responses
        self._safe_write(b"".join((head, protocol._CACHED_SERVER_HEADER, date, end, body)))  # noqa: SLF001 - as above
        self._active_at = worker.loop.time()

    def _await_next(self) -> None:
        """Prepare for the next request, as gunicorn does after a response."""
        if self._unparsed:
            self._unparsed, early = b"", self._take_early()
        else:
            early = self._callback_parser.remaining()
            self._callback_parser.reset()
            self._is_whole = self._is_begun = False
            self._chunks.clear()
        self._handler, self._responding, self._data = None, None, b""
        if not self.worker.alive:
            self._close_transport()
            self._request_ready.set()
            return
        self._is_ready = not early
        if early:
            # Use call_soon: direct calls would recurse once per pipelined request.
            self.worker.loop.call_soon(self._feed_callback_parser, early)
        elif self._reading_paused:
            self._resume_reading()

    def _pass_to_gunicorn(self) -> None:
        """Replay the parser's events to gunicorn. Its connection loop has been waiting for them."""
        is_whole = self._is_declined = self._is_whole
        self._handler, self._responding, self._request, self._data = None, None, None, b""
        self._is_whole = self._is_begun = False
        self._body.release()
        try:
            super()._on_headers_complete()
        except ProtocolError as error:
            self._refuse(error)
            return
        except (ParseError, ParseException):
            self._send_error_response(400, "")
            return
        for chunk in self._chunks:
            super()._on_body(chunk)
        self._chunks.clear()
        if is_whole:
            self._on_message_complete()
