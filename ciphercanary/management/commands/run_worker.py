import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ciphercanary.jobs import worker


class Command(BaseCommand):
    help = "Run jobs and the schedule until stopped. bin/serve starts it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        worker.work(settings.CC_JOB_THREADS, stopping)
