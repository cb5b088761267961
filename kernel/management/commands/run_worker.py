import logging
import signal
import threading
from typing import Any

import django.db
from django.conf import settings

from kernel.commands import ServiceCommand
from kernel.databases.applied_migrations import applied_migrations
from kernel.jobs import worker
from kernel.observability import tracing

logger = logging.getLogger(__name__)


class Command(ServiceCommand):
    help = "Run background jobs and scheduled tasks until stopped. The server starts it."
    requires_migrations_checks = False  # the database may still be starting

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.serve_process_endpoint()
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        self._wait_for_database(stopping)
        worker.work(settings.CC_JOB_THREADS, stopping)
        tracing.close()

    def _wait_for_database(self, stopping: threading.Event) -> None:
        """Wait until the database responds, because only then a newer one can be refused. Raises CommandError."""
        while not stopping.is_set():
            try:
                self.refuse_newer_database(applied_migrations())
            except django.db.Error:
                logger.exception("the worker continues after a pause")
                django.db.close_old_connections()
                stopping.wait(worker.AFTER_FAILURE_SECONDS)
            else:
                logger.info("the worker runs jobs in %s threads", settings.CC_JOB_THREADS)
                return
