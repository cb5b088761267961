"""The head of a connection's last hot request. Clients repeat it byte by byte, and only the body differs."""

import hashlib
import os
from typing import Any, Final, Self

from msgspec import Struct

from kernel.http.fast_path import HotHandler, HotRequest

_KEY: Final = os.urandom(32)


class KnownHead(Struct, frozen=True):
    """``head_size`` and ``size`` of the whole request are in bytes. ``request_id``: "" if each request gets a new one.

    The head itself is not kept, because it contains the token: ``digest`` is a keyed BLAKE2b (RFC 7693).
    """

    head_size: int
    size: int
    digest: bytes
    handler: HotHandler[Any]
    caller: Any
    request_id: str

    @classmethod
    def of(
        cls, data: bytes, head_size: int, handler: HotHandler[Any], caller: object, request: HotRequest
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
        size = self.head_size
        return size <= len(data) <= self.size and _digest(data[:size]) == self.digest


def _digest(head: bytes) -> bytes:
    return hashlib.blake2b(head, key=_KEY, digest_size=32).digest()
