"""A time at which a connection ends, however slowly the other side sends. The timeout of a socket limits each read only."""

import os
import socket
from contextlib import suppress
from threading import Timer


class ShutDown(Timer):
    """Shuts the connection down after the time, unless it is cancelled before."""

    def __init__(self, seconds: float, connected: socket.socket) -> None:
        super().__init__(max(seconds, 0.0), self._shut_down)
        self.daemon = True
        # A duplicate, because TLS detaches the socket during the handshake.
        self._twin = socket.socket(fileno=os.dup(connected.fileno()))

    def cancel(self) -> None:
        super().cancel()
        self._twin.close()

    def _shut_down(self) -> None:
        with suppress(OSError), self._twin:
            self._twin.shutdown(socket.SHUT_RDWR)
