import signal
import threading
from typing import Any

from django.conf import settings

from kernel.commands import ServiceCommand
from kernel.jobs import worker
from kernel.observability import tracing


class Command(ServiceCommand):
    help = "Run background jobs and scheduled tasks until stopped. The server starts it."
    requires_migrations_checks = False  # the database may still be starting

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.serve_process_endpoint()
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        worker.work(settings.CC_JOB_THREADS, stopping)
        tracing.close()
