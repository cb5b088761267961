"""``/metrics`` and ``/livez`` of a process without a web server, on ``CC_METRICS_PORT``.

The sequencer, the workers and Celery's beat use it if they run as services of their own. Under bin/serve they share
files with the web server instead, whose ``/metrics`` includes their figures.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, Final

from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, MetricsHandler
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from kernel.observability import metrics, metrics_folder
from kernel.observability.loops import stuck_loops

THREADS: Final = 8
SECONDS: Final = 5.0  # of a connection


class CannotListen(Exception):
    """One line with the problem and its remedy."""


def serve(pool_folder: str = "") -> None:
    """Serve in threads of this process until it ends. Does nothing without ``CC_METRICS_PORT``. Raises CannotListen.

    ``pool_folder``: where the processes of a pool write their figures. Does nothing either if this process writes to
    any other folder, because then the web server reads that one.
    """
    bind, port = settings.CC_BIND, settings.CC_METRICS_PORT
    if not port or metrics_folder.current() != pool_folder:
        return
    try:
        server = _Server((bind, port), partial(_Handler, _registry(pool_folder)))
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {bind} port {port} ({error.strerror}). Set CC_METRICS_PORT or CC_BIND."
        ) from None
    threading.Thread(target=server.serve_forever, name="process-endpoint", daemon=True).start()


def may_read_metrics(client_ip: str) -> bool:
    """Whether the address is in one of ``CC_METRICS_NETWORKS``. "", an unknown address, is in none."""
    if not client_ip:
        return False
    address = ipaddress.ip_address(client_ip)
    return any(address in ipaddress.ip_network(network) for network in settings.CC_METRICS_NETWORKS)


class _Server(ThreadingHTTPServer):
    """At most ``THREADS`` connections. A further one replaces the oldest, so idle ones do not keep out a probe."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(THREADS)
        self._begun: dict[Any, float] = {}  # when each connection began, the oldest first
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            for oldest in list(self._begun)[:1]:
                _interrupt(oldest)
            self._places.acquire()
        self._begun[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Its thread calls this in the end; the server does if the thread could not start."""
        super().shutdown_request(request)
        del self._begun[request]
        self._places.release()

    def service_actions(self) -> None:
        """The server calls this twice a second, and after each new connection."""
        for request, began in list(self._begun.items()):
            if time.monotonic() - began > SECONDS:
                _interrupt(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that disconnects or is slow is no error of ours. The default prints a traceback."""


def _interrupt(request: socket.socket) -> None:
    """End the thread of the connection: its next read or write fails, also one that already waits."""
    with suppress(OSError):  # it has ended
        request.shutdown(socket.SHUT_RDWR)


class _Handler(MetricsHandler):
    def __init__(self, registry: Collector, *connection: Any) -> None:
        self.registry = registry
        super().__init__(*connection)

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        path = self.path.partition("?")[0]
        if path == "/livez":
            self._report_loops()
        elif path != "/metrics":
            self._respond(HTTPStatus.NOT_FOUND, "This process serves /livez and /metrics.\n")
        elif not may_read_metrics(_plain_address(self.client_address[0])):
            self._respond(HTTPStatus.FORBIDDEN, "This address is not in CC_METRICS_NETWORKS.\n")
        else:
            super().do_GET()

    def _report_loops(self) -> None:
        stuck = stuck_loops()
        if stuck:
            self._respond(HTTPStatus.SERVICE_UNAVAILABLE, f"stuck: {', '.join(stuck)}\n")
        else:
            self._respond(HTTPStatus.OK, "ok\n")

    def _respond(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "ciphercanary"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """No access log."""


class _OwnFigures(Collector):
    """Without the figures that only the web server measures: here they would be 0."""

    def collect(self) -> Iterable[Metric]:
        measured_elsewhere = {family.name for gauge in metrics.DATABASE_GAUGES for family in gauge.describe()}
        return (family for family in REGISTRY.collect() if family.name not in measured_elsewhere)


def _registry(pool_folder: str) -> Collector:
    if not pool_folder:
        return _OwnFigures()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, pool_folder)  # type: ignore[no-untyped-call]  # prometheus_client does not type it
    ProcessCollector(registry=registry)
    return registry


def _plain_address(client: str) -> str:
    """An IPv4 client of an IPv6 socket, as IPv4."""
    address = ipaddress.ip_address(client.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
