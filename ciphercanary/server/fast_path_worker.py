"""gunicorn's ASGI worker whose connections have a fast path (``ciphercanary.server.connections.fast_path_connection``).

``CC_LANE=asgi`` disables the fast path. This module depends on gunicorn's internals and supports only the one version
that is pinned.
"""

from typing import Any, Final

from django.conf import settings
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi
from gunicorn.workers.gasgi import ASGIWorker

from ciphercanary.server.connections.byte_budget import ByteBudget
from ciphercanary.server.connections.fast_path_connection import FastPathProtocol
from kernel.http.fast_path import FastHandler, FastRoutes, NamedRoutes

GRACE: Final = 20  # seconds for requests in flight to complete


class FastPathWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    fast_routes: NamedRoutes[bytes]
    heads: ByteBudget
    bodies: ByteBudget

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.cfg.set("graceful_timeout", GRACE)  # in this process only
        from ciphercanary.asgi import bodies, fast_routes, heads  # noqa: PLC0415 - it sets Django up

        self.bodies, self.heads = bodies, heads
        routes: FastRoutes = fast_routes if settings.CC_LANE == "protocol" else {}

        def find(method: bytes, path: bytes) -> FastHandler[Any] | None:
            where = method.decode("latin-1"), path.decode("latin-1")
            return routes.get(where)

        self.fast_routes = NamedRoutes(
            {(method.encode(), path.encode()): handler for (method, path), handler in routes.items()}, find
        )
        # Call this on the base class. On a subclass it would cache its result there but read it from the base
        # class, so the C parser would not be found.
        ASGIProtocol._check_h1c_protocol_available()  # noqa: SLF001 - as its own class does
        gasgi.ASGIProtocol = _protocol()  # the only name through which the worker creates a protocol


def _protocol() -> type[FastPathProtocol]:
    if not settings.CC_TRACES:
        return FastPathProtocol
    from ciphercanary.server.connections.traced_connection import TracedProtocol  # noqa: PLC0415 - only if traces are on

    return TracedProtocol
