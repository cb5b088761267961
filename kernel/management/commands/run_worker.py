import logging
from collections.abc import Callable
from typing import Any

import django.db
from django.conf import settings

from kernel.commands import ServiceCommand
from kernel.databases.applied_migrations import applied_migrations
from kernel.jobs import worker
from kernel.observability import tracing
from kernel.stopping import catch_stop_signals, pause

logger = logging.getLogger(__name__)


class Command(ServiceCommand):
    help = "Run background jobs and scheduled tasks until stopped. The server starts it."
    requires_migrations_checks = False  # the database may still be starting

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.serve_process_endpoint()
        is_stopping = catch_stop_signals()
        self._wait_for_database(is_stopping)
        worker.work(settings.CC_JOB_THREADS, is_stopping)
        tracing.close()

    def _wait_for_database(self, is_stopping: Callable[[], bool]) -> None:
        """Wait until the database responds, because only then a newer one can be refused. Raises CommandError."""
        while not is_stopping():
            try:
                self.refuse_newer_database(applied_migrations())
            except django.db.Error:
                logger.exception("the worker continues after a pause")
                django.db.close_old_connections()
                pause(worker.AFTER_FAILURE_SECONDS, is_stopping)
            else:
                logger.info("the worker runs jobs in %s threads", settings.CC_JOB_THREADS)
                return
