"""gunicorn's configuration: its native ASGI worker, the C parser, uvloop, and bounds."""

import gc
import os
from pathlib import Path

from django.conf import settings
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess

from ciphercanary.server.lane_worker import GRACE
from kernel.databases.lock_waits import bound_lock_waits
from kernel.observability import logs

worker_class = "ciphercanary.server.lane_worker.LaneWorker"
asgi_loop = "uvloop"
# No control socket: nothing outside this process tree steers it, and the file system may be read-only.
control_socket_disable = True
# The worker waits for GRACE; its parent kills it later, so that what it has to tell at its end is told.
graceful_timeout = GRACE + 5
timeout = 60
keepalive = settings.CC_KEEPALIVE_SECONDS
worker_connections = settings.CC_MAX_CONNECTIONS
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn's heartbeat file, 0600
# X-Forwarded-* is read in one place, kernel.http.middleware, which counts CC_TRUSTED_PROXIES.
secure_scheme_headers: dict[str, str] = {}
accesslog = None
GC_THRESHOLDS = (50_000, 20, 50)


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """Without the access log, which gunicorn prepares for each request wherever logging is configured."""

    access_log_enabled = False


logger_class = Logger
loglevel = "warning"
# All of ours, with gunicorn's own records sent to the root logger: what is left out here gunicorn fills with a
# handler of its own, which would write the text of exceptions past the redaction.
_logs = logs.configuration(level=settings.LOG_LEVEL, log_format=settings.LOG_FORMAT)
logconfig_dict = _logs | {
    "loggers": _logs["loggers"] | {"gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True}}
}


def post_fork(_server: object, _worker: Worker) -> None:
    """Before the worker connects to anything."""
    bound_lock_waits()


def post_worker_init(worker: Worker) -> None:
    """Tell the log from time to time how far this worker's writers have come."""
    from audit.log.heartbeats import Heart  # noqa: PLC0415 - only a worker has set Django up
    from console import health  # noqa: PLC0415 - likewise
    from kernel import throttle  # noqa: PLC0415 - likewise

    # What is there by now stays: left to the collector, it would be walked through again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    worker.heart = Heart()
    health.begin()
    throttle.start_reconciling()


def worker_exit(_server: object, worker: Worker) -> None:
    """Write what a worker has counted and not yet told, and the end of its writers' sequences."""
    from audit.commit import writer  # noqa: PLC0415 - only a worker has set Django up
    from audit.log import refusals  # noqa: PLC0415 - only a worker has set Django up
    from kernel import throttle  # noqa: PLC0415 - likewise

    throttle.stop_reconciling()
    refusals.flush()
    writer.close()
    if heart := getattr(worker, "heart", None):
        heart.stop()


def child_exit(_server: object, worker: Worker) -> None:
    """Forget the gauges of a worker that ended."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # prometheus_client types it not
