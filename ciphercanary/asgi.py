"""The ASGI application for gunicorn: streams, the fast path, and Django behind a bounded bridge."""

from django.conf import settings

from ciphercanary.wsgi import application as django  # first: it sets Django up

# isort: split
from accounts.rest import AuthView
from audit.commit import loop_writer, thread_records
from ciphercanary.monitoring import METRICS, PROBES, REPORTS
from ciphercanary.server.connections.bounded_parser import ALL_HEADS
from ciphercanary.server.connections.bridge import ALL_BODIES, WsgiBridge
from ciphercanary.server.connections.byte_budget import ByteBudget
from ciphercanary.server.probes import Application, Probes
from crypto_ops.fast_path.routes import ROUTES
from crypto_ops.streaming import endpoint as stream_endpoint
from crypto_ops.streaming.endpoint import StreamEndpoint
from dialects.vault import fast_path as vault
from kernel.http.fast_path import FastRoutes, NamedRoutes
from kernel.observability import deferred


async def _end() -> None:
    thread_records.end()
    await loop_writer.close()
    deferred.write_all()


fast_routes: FastRoutes = {}  # noqa: CC6 - a part of the ASGI application
if settings.CC_LANE != "off":
    # With traces, Django handles the paths with names, because a span has the pattern of a route.
    fast_routes = ROUTES if settings.CC_TRACES else NamedRoutes(ROUTES, vault.find)
heads = ByteBudget(ALL_HEADS)  # noqa: CC6 - a part of the ASGI application
bodies = ByteBudget(ALL_BODIES * settings.CC_MAX_BODY_BYTES)  # noqa: CC6 - a part of the ASGI application
bridge = WsgiBridge(  # noqa: CC6 - a part of the ASGI application
    django,
    threads=settings.CC_THREADS,
    max_body_bytes=settings.CC_MAX_BODY_BYTES,
    bodies=bodies,
    smaller_limits={"/auth/": AuthView.max_body_bytes, "/oauth/": AuthView.max_body_bytes},
    fast=fast_routes,
    at_start=thread_records.begin,
    at_end=_end,
)
others: Application = StreamEndpoint(django, others=bridge)  # noqa: CC6 - a part of the ASGI application
if settings.CC_TRACES:
    from kernel.http.traced_requests import TracedApplication

    others = TracedApplication(others, {*ROUTES, *stream_endpoint.ROUTES})
application = Probes(django, PROBES, METRICS, reports=REPORTS, others=others)  # noqa: CC6 - the ASGI application
