"""Closes connections whose client does not read its response."""

import asyncio
from typing import Final

WRITE_SECONDS: Final = 30.0
CHECK_SECONDS: Final = 5.0


class WriteWatch:
    """Aborts a transport whose write buffer has not shrunk for ``WRITE_SECONDS``. Slow readers are unaffected.

    Its timer runs only while the buffer is not empty.
    """

    __slots__ = ("_left", "_loop", "_progressed_at", "_timer", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = transport
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0
        self._progressed_at = 0.0

    def start(self) -> None:
        """Call this when the transport may be stuck: paused, closing, or idle."""
        if self._timer is None and self._transport is not None:
            self._left = self._transport.get_write_buffer_size()
            self._progressed_at = self._loop.time()
            self._check()

    def note_progress(self) -> None:
        """Record that the buffer has drained. The next write may make it larger than before."""
        self._progressed_at = self._loop.time()

    def stop(self) -> None:
        """Release the transport."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._transport = None

    def _check(self) -> None:
        self._timer = None
        if self._transport is None or not (left := self._transport.get_write_buffer_size()):
            return
        if left < self._left:
            self._progressed_at = self._loop.time()
        self._left = left
        if self._loop.time() - self._progressed_at >= WRITE_SECONDS:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(CHECK_SECONDS, self._check)
