"""Endpoints that report on the service. They respond in time and in their own format during any fault."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from wsgiref.types import WSGIApplication

from django.http import HttpResponse

from ciphercanary.server.connections.bridge import WsgiBridge
from ciphercanary.server.connections.byte_budget import ByteBudget
from kernel.databases.lock_waits import WAIT_UNTIL
from kernel.http.asgi_responses import AsgiResponse, Receive, Scope, Send, early_response, send_response
from kernel.observability import deferred

logger = logging.getLogger(__name__)

SECONDS: Final = 0.95  # until the response, at most
_DATABASE_SECONDS: Final = 0.6  # of SECONDS, for the request's own waits for the database
THREADS: Final = 2
_BODY_BYTES: Final = 1024

type Application = Callable[[Scope, Receive, Send], Awaitable[None]]
type _Fallback = Callable[[Scope], AsgiResponse]
"""Fallback response of an endpoint whose threads did not respond in time."""
type _Report = Callable[[], HttpResponse] | None
"""The response to a plain request without Django, produced in a thread; None if the fallback response is always used."""


class Probes:
    """Serves each group of paths with a few dedicated threads, so that it does not wait for other requests.

    ``groups``: the fallback response of each path. Cookies are removed because a session is useless here and costs
    queries. ``reports``: paths whose plain requests share a single run at a time, so any number of them costs no
    more than one.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *groups: Mapping[str, _Fallback],
        reports: Mapping[str, _Report],
        others: Application,
    ) -> None:
        self._others = others
        self._reports = reports
        self._running: dict[str, asyncio.Future[HttpResponse]] = {}
        self._pool = ThreadPoolExecutor(len(reports) or 1, thread_name_prefix="probes")
        self._fallbacks: dict[str, _Fallback] = {}
        self._bridges: dict[str, WsgiBridge] = {}
        for group in groups:
            bodies = ByteBudget(64 * _BODY_BYTES)
            bridge = WsgiBridge(application, threads=THREADS, max_body_bytes=_BODY_BYTES, bodies=bodies)
            self._fallbacks.update(group)
            self._bridges.update(dict.fromkeys(group, bridge))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path not in self._bridges:
            await self._others(scope, receive, send)
            return
        deferred.write_all()
        bridge, is_plain = self._bridges[path], _is_plain(scope)
        messages: list[Any] = []
        try:
            async with asyncio.timeout(SECONDS):
                if is_plain and path in self._reports:
                    await send_response(scope, _collect_in(messages), await self._report(path, scope))
                elif not (is_plain and bridge.is_full):
                    await bridge(_without_cookies(scope), receive, _collect_in(messages))
        except TimeoutError:
            messages.clear()
        if not messages:
            await send_response(scope, send, self._fallbacks[path](scope))
        for message in messages:
            await send(message)

    async def _report(self, path: str, scope: Scope) -> AsgiResponse:
        report = self._reports[path]
        if report is None:
            return self._fallbacks[path](scope)
        try:
            running = self._running.get(path)
            if running is None or running.done():
                running = asyncio.get_running_loop().run_in_executor(self._pool, report)
                self._running[path] = running
            found = await asyncio.shield(running)
        except Exception as error:  # a thread that cannot start, say: the fallback response needs none
            logger.warning("the probe %s failed", path, exc_info=error)
            return self._fallbacks[path](scope)
        return early_response(scope, found.status_code, found["Content-Type"], found.content)


def _is_plain(scope: Scope) -> bool:
    """Whether the request is read-only and has no body. Django refuses other methods."""
    names = {name for name, _ in scope["headers"]}
    return scope["method"] in {"GET", "HEAD"} and not names & {b"content-length", b"transfer-encoding"}


def _without_cookies(scope: Scope) -> Scope:
    headers = [header for header in scope["headers"] if header[0] != b"cookie"]
    return {**scope, "headers": headers, WAIT_UNTIL: time.monotonic() + _DATABASE_SECONDS}


def _collect_in(messages: list[Any]) -> Send:
    async def collect(message: Any) -> None:
        messages.append(message)

    return collect
