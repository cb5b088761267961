"""Celery's entry point: ``celery -A ciphercanary worker`` and ``celery -A ciphercanary beat``.

Its tasks take ids and names, and call the same functions as the embedded worker. No task raises, because Celery
would log the text of the exception, which may quote a value.
"""

import logging
import multiprocessing
import os
from typing import Any

import django
from celery import bootsteps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
django.setup()

from kernel.jobs import notifier, running, worker  # noqa: E402 - they need Django to be set up
from kernel.jobs.registry import periodic_functions  # noqa: E402

logger = logging.getLogger(__name__)
app = notifier.app
# Created before the pool forks, so that its processes see the parent's value.
_stopping = multiprocessing.Event()


class SignalShutdown(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Notify running tasks of a shutdown, so that they put their jobs back. The worker waits for them."""

    def close(self, _worker: Any) -> None:
        _stopping.set()


def run_job(kind: str, job_id: str) -> None:
    try:
        running.run_job(kind, job_id, _stopping.is_set)
    except Exception:
        logger.exception("a delivered job could not be looked at: it is delivered again")


app.steps["worker"].add(SignalShutdown)
app.task(run_job, name=notifier.RUN_JOB)
app.task(worker.run_periodic, name=notifier.RUN_PERIODIC)
app.conf.beat_schedule = {
    periodic.name: {
        "task": notifier.RUN_PERIODIC,
        "args": [periodic.name],
        "schedule": periodic.seconds,
        "options": {"expires": periodic.seconds},  # drop an overdue run: the next one replaces it
    }
    for periodic in periodic_functions()
}
