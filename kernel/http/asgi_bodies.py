"""Request bodies as ASGI delivers them, for the layers in front of Django."""

import asyncio
from contextlib import suppress
from typing import Final

from kernel.http.asgi_responses import Receive, Scope

LINGER_SECONDS: Final = 2.0


class ClientGone(Exception):
    """The client closed the connection before the request was complete."""


class IncomingBody:
    """A body that arrives in parts."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_complete = False

    async def next_part(self) -> bytes:
        """Raises ClientGone."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.is_complete = not message.get("more_body")
        return message.get("body", b"")  # type: ignore[no-any-return]  # ASGI messages are untyped

    async def linger(self, keep: int = 0) -> bytes:
        """Discard incoming data for at most ``LINGER_SECONDS``. Returns its first bytes, at most ``keep``.

        Closing a connection with unread input resets it, and the client could not read the refusal.
        """
        kept = bytearray()
        with suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.is_complete:
                    part = await self.next_part()
                    kept += part[: keep - len(kept)]
        return bytes(kept)


def declared_length(scope: Scope) -> int | None:
    """The request's Content-Length in bytes; the parser has checked its form."""
    declared = dict(scope["headers"]).get(b"content-length")
    return None if declared is None else int(declared)
