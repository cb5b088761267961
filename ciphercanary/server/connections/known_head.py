"""The head of a connection's last request on the fast path. Clients repeat it byte by byte, and only the body differs."""

import asyncio
import hashlib
import os
from typing import Any, Final, Self

from msgspec import Struct

from ciphercanary.server.connections.bounded_connection import BoundedProtocol
from ciphercanary.server.connections.bridge import BODY_SECONDS
from ciphercanary.server.connections.byte_budget import Charge
from kernel.http.fast_path import FastHandler, FastRequest
from kernel.http.response_headers import new_request_id

# A key of one block is hashed once, and each digest starts from a copy.
_KEYED: Final = hashlib.sha256(os.urandom(64))


class KnownHead(Struct, frozen=True):
    """``head_size`` and ``size`` of the whole request are in bytes. ``request_id``: "" if each request gets a new one.

    The head itself is not kept, because it contains the token: ``digest`` is SHA-256 of a random key and the head.
    """

    head_size: int
    size: int
    digest: bytes
    handler: FastHandler[Any]
    caller: Any
    request_id: str

    @classmethod
    def of(
        cls, data: bytes, head_size: int, handler: FastHandler[Any], caller: object, request: FastRequest
    ) -> Self:
        """The head of the request ``data``, which was just parsed."""
        return cls(
            head_size=head_size,
            size=len(data),
            digest=_digest(data[:head_size]),
            handler=handler,
            caller=caller,
            request_id=request.request_id if request.has_own_id else "",
        )

    def begins(self, data: bytes) -> bool:
        """Whether ``data`` is a request with the same head, and therefore a body of the same size, or its beginning."""
        return self.head_size <= len(data) <= self.size and _digest(data[: self.head_size]) == self.digest


def _digest(head: bytes) -> bytes:
    digest = _KEYED.copy()
    digest.update(head)
    return digest.digest()


class KnownHeadProtocol(BoundedProtocol):
    """A connection that does not parse a request whose head repeats that of its last one on the fast path.

    Implements ``kernel.http.fast_path.Exchange``, together with its subclass.
    """

    def __init__(self, worker: Any) -> None:
        super().__init__(worker)
        self._is_ready = True  # the next data begins a request, or continues ``_unparsed``
        self._data = b""  # of a request that is being parsed, if it is all that was received since
        self._known: KnownHead | None = None
        self._unparsed = b""  # a request with the known head, complete while it is being decided
        self._early = b""  # data that arrived meanwhile
        self._held = Charge(worker.heads)
        self._is_deciding = False
        self._responding: asyncio.Task[None] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._body = Charge(worker.bodies)

    def data_received(self, data: bytes) -> None:
        if self._unparsed and (self._is_deciding or self._responding is not None):
            self._hold(data)
            return
        if self._is_ready:
            if self._unparsed:
                data = self._take_beginning() + data
            known = self._known
            if known is not None and known.begins(data) and self._begin_known(known, data):
                return
            self._is_ready, self._data = False, data
        else:
            # A request whose body follows in other packets is remembered, too.
            self._data = self._data + data if self._waiting is not None else b""
        super().data_received(data)

    def _begin_known(self, known: KnownHead, data: bytes) -> bool:
        if not self.worker.alive or not self._body.grow(known.size - known.head_size):
            return False
        self._unparsed = data
        if len(data) < known.size:
            self._waiting = self.worker.loop.call_later(BODY_SECONDS, self._stop_waiting_for_body)
            return True
        self._is_deciding = True
        if known.handler.begin(
            known.caller, known.request_id or new_request_id(), data[known.head_size :], self
        ):
            return True
        self._is_deciding, self._unparsed = False, b""
        self._body.release()
        return False

    def _take_beginning(self) -> bytes:
        """The data of a known head whose body is not complete, which is then waited for no longer."""
        beginning, self._unparsed = self._unparsed, b""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            self._body.release()
        return beginning

    def _stop_waiting_for_body(self) -> None:
        """Parse the head after all, so that gunicorn's code responds to slow senders."""
        beginning = self._take_beginning()
        self._is_ready = False
        super().data_received(beginning)

    def _hold(self, data: bytes) -> None:
        """Keep data that follows a request, and read no more until its response."""
        self._pause_reading()
        if self._held.grow(len(data)):
            self._early += data
        else:
            self.transport.abort()  # a refusal would overtake the response, as in ``BoundedProtocol``

    def _take_early(self) -> bytes:
        early, self._early = self._early, b""
        self._held.release()
        return early
