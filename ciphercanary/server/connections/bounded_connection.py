"""gunicorn's HTTP/1.1 connection, with a timeout wherever gunicorn waits forever.

gunicorn waits without a limit for a first byte, for the rest of a head, and for a client that reads nothing. It
sends plain text for requests that its parser rejects. This module depends on gunicorn's internals and supports only
the one version that is pinned.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from gunicorn.asgi import protocol
from gunicorn.asgi.protocol import ASGIProtocol

from ciphercanary.server.connections.bounded_parser import MAX_HEAD, BoundedParser, TooMuchPendingData
from ciphercanary.server.connections.write_watch import WRITE_SECONDS, WriteWatch
from kernel.errors import DomainError
from kernel.http.asgi_responses import as_http, refusal
from kernel.http.problems import ProtocolError
from kernel.http.protocol_refusals import invalid_message, refusal_of_status, request_timeout

HEAD_SECONDS: Final = 10.0
HTTP_1_1: Final = (1, 1)
# gunicorn's table lacks 412 and others, and sends "Unknown" for them.
protocol._REASON_PHRASES.update({status.value: status.phrase for status in HTTPStatus})  # noqa: SLF001 - gunicorn offers no other way


class BoundedProtocol(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """One connection. ``worker.heads`` is the budget of its :class:`BoundedParser`."""

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self._active_at = worker.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._writes: WriteWatch
        self._parser: Any = None
        self._callback_parser: Any = None
        self._task: asyncio.Task[None] | None

    def connection_made(self, transport: Any) -> None:
        self._writes = WriteWatch(self.worker.loop, transport)
        super().connection_made(transport)
        if self.worker.nr_conns > self.worker.worker_connections:
            transport.abort()
            return
        self._arm_keepalive_timer()  # gunicorn itself waits forever for the first head

    def connection_lost(self, exc: Exception | None) -> None:
        """Break reference cycles. There may be thousands of short connections, too many for the garbage collector."""
        self._stop_head_timer()
        self._writes.stop()
        self._callback_parser.release()
        loop = self._task
        if self._awaiting_request and not self._finishing_calls:
            # gunicorn's task only waits for a request. Its timer for a task that needs time to end would keep a
            # reference to this connection.
            self._task = None
            self._request_ready.set()
        super().connection_lost(exc)
        if loop is None or loop.done():
            self._break_reference_cycles()
        else:
            loop.add_done_callback(self._break_reference_cycles)

    def _break_reference_cycles(self, _loop: object = None) -> None:
        """Drop the references that point back at this connection."""
        self._task = self._callback_parser = self._parser = self._body_receiver = None

    # --- idle connections, and clients that do not read

    def _is_busy(self) -> bool:
        """Whether a request that gunicorn does not track is in progress."""
        return False

    def _arm_keepalive_timer(self) -> None:
        self._active_at = self.worker.loop.time()
        self._cancel_keepalive_timer()
        if self._keepalive > 0:
            self._schedule_keepalive_check(self._keepalive)

    def _schedule_keepalive_check(self, seconds: float) -> None:
        seconds = min(seconds, WRITE_SECONDS)
        self._keepalive_handle = self.worker.loop.call_later(seconds, self._keepalive_timeout)

    def _keepalive_timeout(self) -> None:
        """Check for idleness only when the timer fires.

        Rescheduling it per request on the fast path would cost as much as encrypting.
        """
        self._writes.start()
        idle = 0.0 if self._is_busy() else self.worker.loop.time() - self._active_at
        if idle < self._keepalive:
            self._schedule_keepalive_check(self._keepalive - idle)
        else:
            super()._keepalive_timeout()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writes.start()

    def resume_writing(self) -> None:
        self._writes.note_progress()
        super().resume_writing()

    def _close_transport(self) -> None:
        """The transport waits until its write buffer is empty, with no time limit of its own."""
        super()._close_transport()
        self._writes.start()

    # --- heads

    def _setup_callback_parser(self) -> None:
        super()._setup_callback_parser()
        self._parser = self._callback_parser
        self._callback_parser = BoundedParser(self._parser, self.worker.heads, self._setup_callback_parser)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the last complete head, with names in lower case."""
        return getattr(self._parser, "asgi_headers", None) or self._parser.headers  # type: ignore[no-any-return]

    def _on_headers_complete(self) -> bool:
        """Raises ProtocolError, and what the parser raises."""
        self._callback_parser.end_head()
        if self._parser.http_version >= HTTP_1_1 and all(name != b"host" for name, _ in self._headers()):
            raise invalid_message("The Host header is required (RFC 9112 section 3.2).")
        return bool(super()._on_headers_complete())

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        self._pause_reading()

    def _is_websocket_upgrade(self, _request: object) -> bool:
        """Never upgrade: the request is served as if it did not ask for an upgrade (RFC 9110 section 7.8)."""
        return False

    def _feed_callback_parser(self, data: bytes) -> bool:
        if self._closed:
            return False
        try:
            if not super()._feed_callback_parser(data):
                return False
        except ProtocolError as error:
            self._refuse(error)
            return False
        except TooMuchPendingData:
            self.transport.abort()  # a refusal would overtake the response to the request in progress
            return False
        parser = self._callback_parser
        if parser.unfinished and self._head_timer is None:
            self._head_timer = self.worker.loop.call_later(HEAD_SECONDS, self._end_head)
        elif self._head_timer is not None and not parser.unfinished:
            self._stop_head_timer()
        if parser.has_more:
            self._pause_reading()
        elif self._reading_paused:
            self._maybe_resume_reading()
        return True

    def _end_head(self) -> None:
        self._refuse(request_timeout("request head"))

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _maybe_resume_reading(self) -> None:
        if not self._callback_parser.is_complete:
            super()._maybe_resume_reading()

    def _resume_reading(self) -> None:
        """Stay paused while data is buffered.

        Gunicorn calls this before it consumes that data, so the buffer would grow.
        """
        if not self._callback_parser.has_more:
            super()._resume_reading()

    # --- refusals outside the application

    def _refuse(self, error: DomainError) -> None:
        """Send a problem document and close the connection."""
        self._safe_write(as_http(refusal({"headers": self._headers()}, error)))
        self._close_transport()

    def _send_error_response(self, status: int, _message: str, _extra_headers: object = ()) -> None:
        """Replace the plain text of gunicorn's own refusals, which may quote the request."""
        self._refuse(refusal_of_status(status, MAX_HEAD))
