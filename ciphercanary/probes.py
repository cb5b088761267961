"""The endpoints that report on the service: they answer in time and in their own format during any fault."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from wsgiref.types import WSGIApplication

from django.conf import settings

from ciphercanary import request_ids
from ciphercanary.asgi_answers import REFUSAL_HEADERS, Answer, Receive, Scope, Send, send_answer
from ciphercanary.bridge import WsgiBridge
from ciphercanary.byte_budget import ByteBudget
from ciphercanary.lock_waits import RECEIVED_AT

SECONDS: Final = 0.95  # to the answer, at most
DATABASE_SECONDS: Final = 0.6  # of them, for waits of the request itself
THREADS: Final = 2
BODY_BYTES: Final = 1024

type Application = Callable[[Scope, Receive, Send], Awaitable[None]]
type Late = Callable[[Scope], Answer]
"""The answer of an endpoint whose threads did not answer in time: what can be said without them."""


class Probes:
    """Serves each group of paths by a few threads of its own, so that it waits for no other request.

    ``groups``: the late answer of each path. Without a cookie: a session is of no use here, and costs queries.
    """

    def __init__(
        self, application: WSGIApplication, *groups: Mapping[str, Late], others: Application
    ) -> None:
        self._others = others
        self._late = {path: late for group in groups for path, late in group.items()}
        self._bridges = {
            path: bridge
            for group in groups
            for bridge in [
                WsgiBridge(
                    application,
                    threads=THREADS,
                    max_body_bytes=BODY_BYTES,
                    bodies=ByteBudget(64 * BODY_BYTES),
                )
            ]
            for path in group
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path not in self._bridges:
            await self._others(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"cookie"]
        begun = time.monotonic() - settings.CC_LOCK_WAIT_SECONDS + DATABASE_SECONDS
        asked = {**scope, "headers": headers, RECEIVED_AT: begun}
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


def answer(scope: Scope, status: int, content_type: str, body: bytes) -> Answer:
    """A late answer."""
    sent = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    kept = [header for header in REFUSAL_HEADERS if header[0] not in {b"content-type", b"connection"}]
    return Answer(
        status,
        [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_ids.choose(sent).encode()),
            *kept,
        ],
        body,
    )


def json_answer(scope: Scope, status: int, body: Mapping[str, object]) -> Answer:
    return answer(scope, status, "application/json", json.dumps(body).encode())
