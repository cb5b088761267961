"""The endpoints that report on the service: they answer in time and in their own format during any fault."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from wsgiref.types import WSGIApplication

from ciphercanary.asgi_answers import Answer, Receive, Scope, Send, send_answer
from ciphercanary.bridge import WsgiBridge
from ciphercanary.byte_budget import ByteBudget
from ciphercanary.lock_waits import WAIT_UNTIL

SECONDS: Final = 0.95  # to the answer, at most
DATABASE_SECONDS: Final = 0.6  # of them, for waits of the request itself
THREADS: Final = 2
BODY_BYTES: Final = 1024

type Application = Callable[[Scope, Receive, Send], Awaitable[None]]
type Late = Callable[[Scope], Answer]
"""Fallback answer of an endpoint whose threads did not answer in time."""


class Probes:
    """Serves each group of paths by a few threads of its own, so that it waits for no other request.

    ``groups``: the late answer of each path. Without a cookie: a session is of no use here, and costs queries.
    """

    def __init__(
        self, application: WSGIApplication, *groups: Mapping[str, Late], others: Application
    ) -> None:
        self._others = others
        self._late: dict[str, Late] = {}
        self._bridges: dict[str, WsgiBridge] = {}
        for group in groups:
            bodies = ByteBudget(64 * BODY_BYTES)
            bridge = WsgiBridge(application, threads=THREADS, max_body_bytes=BODY_BYTES, bodies=bodies)
            self._late.update(group)
            self._bridges.update(dict.fromkeys(group, bridge))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path not in self._bridges:
            await self._others(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"cookie"]
        asked = {**scope, "headers": headers, WAIT_UNTIL: time.monotonic() + DATABASE_SECONDS}
        messages: list[Any] = []
        try:
            async with asyncio.timeout(SECONDS):
                await self._bridges[path](asked, receive, _keep_in(messages))
        except TimeoutError:
            await send_answer(scope, send, self._late[path](scope))
        else:
            for message in messages:
                await send(message)


def _keep_in(messages: list[Any]) -> Send:
    async def keep(message: Any) -> None:
        messages.append(message)

    return keep
