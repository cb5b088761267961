"""Celery's entry: ``celery -A ciphercanary worker`` and ``celery -A ciphercanary beat``.

Its tasks take ids and names, and call what the embedded worker calls. Neither raises: Celery would log the text
of the exception, which may quote a value.
"""

import logging
import multiprocessing
import os
from typing import Any

import django
from celery import bootsteps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
django.setup()

from kernel.jobs import bell, running, worker  # noqa: E402 - they need a set-up Django
from kernel.jobs.registry import periodic_functions  # noqa: E402

logger = logging.getLogger(__name__)
app = bell.app
# Made before the pool forks: its processes see what the parent sets.
_stopping = multiprocessing.Event()


class TellTasks(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """A worker that shuts down waits for its tasks: they are told, and put their jobs back."""

    def close(self, _worker: Any) -> None:
        _stopping.set()


def run_job(kind: str, job_id: str) -> None:
    try:
        running.run_job(kind, job_id, _stopping.is_set)
    except Exception:
        logger.exception("a delivered job could not be looked at: it is delivered again")


app.steps["worker"].add(TellTasks)
app.task(run_job, name=bell.RUN_JOB)
app.task(worker.run_periodic, name=bell.RUN_PERIODIC)
app.conf.beat_schedule = {
    periodic.name: {
        "task": bell.RUN_PERIODIC,
        "args": [periodic.name],
        "schedule": periodic.seconds,
        "options": {"expires": periodic.seconds},  # what nobody did in time need not be done twice
    }
    for periodic in periodic_functions()
}
