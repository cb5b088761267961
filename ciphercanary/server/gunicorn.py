"""gunicorn's configuration: its native ASGI worker, the C parser, uvloop, and bounds."""

import gc
import logging
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess

from ciphercanary.server import readiness
from ciphercanary.server.fast_path_worker import GRACE
from kernel import __version__
from kernel.databases.lock_waits import bound_lock_waits
from kernel.observability import logs, metrics_folder, standard_error, tracing

logger = logging.getLogger(__name__)
standard_error.capture(is_server=True)

worker_class = "ciphercanary.server.fast_path_worker.FastPathWorker"
asgi_loop = "uvloop"
# No control socket: nothing outside this process tree controls gunicorn, and the file system may be read-only.
control_socket_disable = True
# The worker waits for GRACE. The parent kills it later, so that the worker can report its final counts.
graceful_timeout = GRACE + 5
timeout = 60
keepalive = settings.CC_KEEPALIVE_SECONDS
worker_connections = settings.CC_MAX_CONNECTIONS
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn's heartbeat file, 0600
# X-Forwarded-* is read in one place, kernel.http.middleware, which counts CC_TRUSTED_PROXIES.
secure_scheme_headers: dict[str, str] = {}  # noqa: CC6 - a setting of gunicorn
accesslog = None
GC_THRESHOLDS = (50_000, 20, 50)


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """Disables the access log, which gunicorn would prepare for each request whenever logging is configured."""

    access_log_enabled = False


logger_class = Logger
loglevel = "warning"
# The complete logging configuration, with gunicorn's own records sent to the root logger. gunicorn adds its own
# handler for anything left out here, and that handler would bypass the redaction of exception texts.
_logs = logs.configuration(**settings.LOGS)
logconfig_dict = _logs | {
    "loggers": _logs["loggers"] | {"gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True}}
}


def on_starting(_server: object) -> None:
    """Load the code before the port opens. Otherwise the first requests would wait seconds for it.

    A proxy with several servers even prefers one that just started, because it has the fewest connections.
    """
    metrics_folder.remove_at_exit()  # of the role web; serve removes its own
    django.setup()
    import ciphercanary.urls  # noqa: F401, PLC0415 - it imports models


def when_ready(server: Any) -> None:
    addresses = ", ".join(map(str, server.LISTENERS))
    logger.info("CipherCanary %s listens on %s", __version__, addresses)


def post_fork(_server: object, _worker: Worker) -> None:
    """Runs before the worker opens any connection."""
    bound_lock_waits()


def post_worker_init(worker: Worker) -> None:
    """Start the heartbeat, which periodically records the positions of this worker's writers in the audit log."""
    from audit.log.heartbeats import Heartbeat  # noqa: PLC0415 - Django is set up only in a worker
    from console import health  # noqa: PLC0415 - likewise
    from kernel import throttle  # noqa: PLC0415 - likewise
    from kernel.rsa import process as rsa_process  # noqa: PLC0415 - likewise

    # Freeze all current objects. Otherwise the collector would traverse them again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    worker.audit_heartbeat = Heartbeat()
    health.begin()
    throttle.start_reconciling()
    rsa_process.begin(settings.CC_THREADS)
    readiness.report()


def worker_exit(_server: object, worker: Worker) -> None:
    """Write the worker's unreported counts and the end of its writers' sequences."""
    from audit.commit import writer  # noqa: PLC0415 - Django is set up only in a worker
    from audit.log import refusals  # noqa: PLC0415 - likewise
    from kernel import throttle  # noqa: PLC0415 - likewise

    try:
        throttle.stop_reconciling()
        refusals.flush()
        writer.close()
        tracing.close()
    finally:
        if audit_heartbeat := getattr(worker, "audit_heartbeat", None):
            audit_heartbeat.stop()


def child_exit(_server: object, worker: Worker) -> None:
    """Remove the gauges of a worker that has exited."""
    if metrics_folder.current():
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # prometheus_client does not type it
