"""gunicorn's ASGI worker, with a short cut for hot routes: from the parser to the lane and back, without ASGI.

Only what is simple takes it: a short request of a hot route, whole, on a connection that stays open. Everything else, and whatever the lane leaves to Django, goes gunicorn's own way from where it stands, with
its limits and time-outs. With ``CC_LANE=asgi`` no request takes it. This module knows gunicorn from inside, and holds
for the one version that is allowed.

It also ends what gunicorn lets live: connections that never send a head, or more of them than there may be.
"""

import asyncio
import time
from typing import Any, Final

from django.conf import settings
from gunicorn.asgi import protocol
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.http.errors import ParseException
from gunicorn.workers import gasgi
from gunicorn.workers.gasgi import ASGIWorker

from ciphercanary import fast_lane
from ciphercanary.asgi_answers import Scope
from ciphercanary.bridge import BODY_SECONDS, DECLINED
from ciphercanary.fast_lane import HotAnswer, HotHandler, HotRequest
from ciphercanary.lock_waits import RECEIVED_AT

GRACE: Final = 20  # seconds that requests in flight have to end
MAX_HOT_BODY: Final = 64 * 1024  # bytes
MAX_IN_PIECES: Final = 16 * 1024  # of a body that does not come with its head: what each connection may hold
_HTTP_1_1: Final = (1, 1)


class LaneWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    hot_routes: dict[tuple[bytes, bytes], HotHandler]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.cfg.set("graceful_timeout", GRACE)  # in this process only
        from ciphercanary.asgi import hot_routes  # noqa: PLC0415 - it sets Django up

        routes = hot_routes if settings.CC_LANE == "protocol" else {}
        self.hot_routes = {
            (method.encode(), path.encode()): handler for (method, path), handler in routes.items()
        }
        # Asked of its subclass, it would note the answer there and look for it here: the C parser would not be found.
        ASGIProtocol._check_h1c_protocol_available()  # noqa: SLF001 - as its own class does
        gasgi.ASGIProtocol = LaneProtocol  # the one name by which the worker makes a protocol


class PatientParser:
    """gunicorn's parser, which keeps all that comes behind a complete request.

    By itself it keeps 64 KiB, and gunicorn then closes the connection. Here it is fed in pieces of that size, and no
    further than to the end of a request. While anything waits here the connection reads no more: that is what
    bounds it, to two reads of the event loop.
    """

    PIECE: Final = 64 * 1024  # bytes
    remaining_truncated: Final = False

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._behind = b""

    def feed(self, data: bytes) -> None:
        for start in range(0, len(data), self.PIECE):
            if self._parser.is_complete:
                self._behind += data[start:]
                return
            self._parser.feed(data[start : start + self.PIECE])

    @property
    def has_more(self) -> bool:
        """Whether something waits behind a complete request."""
        return bool(self._parser.is_complete and (self._behind or self._parser.remaining()))

    def remaining(self) -> bytes:
        return bytes(self._parser.remaining()) + self._behind

    def reset(self) -> None:
        self._behind = b""
        self._parser.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


class LaneProtocol(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """One connection. ``_handler`` is set from the head of a hot request until the next may begin."""

    def __init__(self, worker: LaneWorker) -> None:
        super().__init__(worker)
        self._handler: HotHandler | None = None
        self._chunks: list[bytes] = []
        self._is_whole = False
        self._is_begun = False  # a request is answered once, whatever arrives behind it meanwhile
        self._is_deciding = False
        self._is_declined = False
        self._received_at = 0.0
        self._answering: asyncio.Task[None] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._active_at = worker.loop.time()
        self._peer = ""
        self._callback_parser: Any = None
        self._task: asyncio.Task[None] | None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.worker.nr_conns > self.worker.worker_connections:
            transport.abort()
            return
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._arm_keepalive_timer()  # gunicorn itself waits for ever for the first head

    def _keepalive_timeout(self) -> None:
        """A timer for each hot request would cost as much as its encryption: this one asks when it rings."""
        idle = 0.0 if self._is_deciding or self._waiting else self.worker.loop.time() - self._active_at
        if idle < self._keepalive:
            self._keepalive_handle = self.worker.loop.call_later(
                self._keepalive - idle, self._keepalive_timeout
            )
        else:
            super()._keepalive_timeout()

    def _setup_callback_parser(self) -> None:
        super()._setup_callback_parser()
        self._parser: Any = self._callback_parser
        self._callback_parser = PatientParser(self._parser)

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        """Says whether the lane has seen the whole request, so that it is not asked again."""
        scope: Scope = super()._build_http_scope(request, sockname, peername)
        scope[DECLINED] = self._is_declined
        if self._is_declined:
            scope[RECEIVED_AT] = self._received_at  # Django goes on with what is left of the request's waits
        return scope

    def _on_headers_complete(self) -> bool:
        self._is_declined = False
        self._handler = self._find_handler()
        return False if self._handler else bool(super()._on_headers_complete())

    def _find_handler(self) -> HotHandler | None:
        parser = self._parser
        handler: HotHandler | None = self.worker.hot_routes.get((parser.method, parser.path))
        if handler is None or parser.http_version != _HTTP_1_1 or not parser.should_keep_alive:
            return None
        length = parser.content_length
        is_short = not parser.is_chunked and length is not None and length <= MAX_HOT_BODY
        return handler if is_short and self.worker.alive else None

    def _on_body(self, chunk: bytes) -> None:
        if self._handler is None:
            super()._on_body(chunk)
        else:
            self._chunks.append(chunk)

    def _on_message_complete(self) -> None:
        if self._handler is None:
            super()._on_message_complete()
            self._pause_reading()
        else:
            self._is_whole = True

    def _maybe_resume_reading(self) -> None:
        if not self._callback_parser.is_complete:
            super()._maybe_resume_reading()

    def _resume_reading(self) -> None:
        """Gunicorn calls it before it takes what waits behind an answered request: with more of that it would grow."""
        if not self._callback_parser.has_more:
            super()._resume_reading()

    def _feed_callback_parser(self, data: bytes) -> bool:
        if self._closed or not super()._feed_callback_parser(data):
            return False
        if self._callback_parser.has_more:
            self._pause_reading()
        else:
            self._maybe_resume_reading()
        if self._handler is not None and not self._is_begun:
            self._begin(self._handler)
        return True

    def _begin(self, handler: HotHandler) -> None:
        if not self._is_whole and self._parser.content_length <= MAX_IN_PIECES:
            # Many clients send the head and a short body one after the other.
            if self._waiting is None:
                self._waiting = self.worker.loop.call_later(BODY_SECONDS, self._stop_waiting)
            return
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        request = self._read_head() if self._is_whole else None
        if request is None:
            self._leave_to_gunicorn()
            return
        self._is_begun = self._is_deciding = True
        self._received_at = time.monotonic()
        # Eager: what the lane can decide at once needs no turn of the event loop.
        task = asyncio.Task(
            self._answer(handler, request, b"".join(self._chunks)), loop=self.worker.loop, eager_start=True
        )
        if not task.done():
            self._answering = task

    def _stop_waiting(self) -> None:
        """Gunicorn's way ends in an answer to whoever is too slow."""
        self._waiting = None
        if not self._closed and self._handler is not None and not self._is_whole:
            self._leave_to_gunicorn()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything, so that the connection needs no look for garbage: of short ones there are thousands."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._answering is not None and not self._is_deciding:
            self._answering.cancel()  # it waits for somebody to read its answer
            self._answering = None
        loop: asyncio.Task[None] | None = self._task
        if self._awaiting_request and not self._finishing_calls:
            # Gunicorn's loop only waits for a request. Its timer for a task that needs time to end would hold us.
            self._task = None
            self._request_ready.set()
        super().connection_lost(exc)
        if loop is None or loop.done():
            self._let_go()
        else:
            loop.add_done_callback(self._let_go)

    def _let_go(self, _loop: object = None) -> None:
        """Of what points back at this connection."""
        self._task = self._callback_parser = self._parser = self._body_receiver = None

    def _read_head(self) -> HotRequest | None:
        parser = self._parser
        headers = getattr(parser, "asgi_headers", None) or parser.headers
        return fast_lane.read(headers, self._peer, "https" if self._is_ssl else "http")

    async def _answer(self, handler: HotHandler, request: HotRequest, body: bytes) -> None:
        answer = await handler(request, body)
        self._is_deciding = False
        if self._closed:
            return
        if answer is None:
            self._leave_to_gunicorn()
            return
        self._write(answer)
        self._active_at = self.worker.loop.time()
        if self._flow_control.write_paused:
            await self._flow_control.drain()
        if not self._closed:
            self._await_next()

    def _write(self, answer: HotAnswer) -> None:
        self.worker.nr += 1
        if self.worker.nr >= self.worker.max_requests:
            self.worker.alive = False
        closing = b"" if self.worker.alive else b"Connection: close\r\n"
        head = answer.head() + protocol._CACHED_SERVER_HEADER + protocol._get_cached_date_header() + closing  # noqa: SLF001 - as gunicorn's own answers
        fast_lane.count("parser", answer.status)
        self._safe_write(head + b"\r\n" + answer.body)

    def _await_next(self) -> None:
        """As gunicorn does after an answer."""
        self._handler, self._answering = None, None
        self._is_whole = self._is_begun = False
        self._chunks.clear()
        if not self.worker.alive:
            self._close_transport()
            self._request_ready.set()
            return
        early = self._callback_parser.remaining()
        self._callback_parser.reset()
        if early:
            # Not from here: an answer at once, and one behind it, would nest as deep as requests are sent.
            self.worker.loop.call_soon(self._feed_callback_parser, early)
        else:
            self._resume_reading()

    def _leave_to_gunicorn(self) -> None:
        """Give it what the parser has told so far. Its connection loop was waiting all the time."""
        is_whole = self._is_declined = self._is_whole
        self._handler, self._answering = None, None
        self._is_whole = self._is_begun = False
        try:
            super()._on_headers_complete()
        except ParseException as error:
            self._send_error_response(400, str(error))
            self._close_transport()
            return
        for chunk in self._chunks:
            super()._on_body(chunk)
        self._chunks.clear()
        if is_whole:
            self._on_message_complete()
