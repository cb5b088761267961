"""Celery's entry point: ``celery -A ciphercanary worker`` and ``celery -A ciphercanary beat``.

Its tasks take ids and names, and call the same functions as the embedded worker. No task raises, because Celery
would log the text of the exception, which may quote a value.
"""

import logging
import multiprocessing
import os
import sys
from typing import Any, Final

import django
from celery import bootsteps
from celery.beat import Scheduler
from django.conf import settings

from kernel.observability import metrics_folder, standard_error

standard_error.capture(is_server=True)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")  # noqa: TID251 - names the settings


def _share_metrics() -> str:
    """A folder for the metrics of the worker and its pool, "" without ``CC_METRICS_PORT``.

    prometheus_client reads the variable when it is imported.
    """
    if not settings.CC_METRICS_PORT:
        return ""
    folder = os.environ[metrics_folder.VARIABLE] = metrics_folder.create()  # noqa: TID251 - prometheus_client reads the folder from there
    metrics_folder.remove_at_exit()
    return folder


_METRICS_FOLDER: Final = _share_metrics()
django.setup()

from kernel.jobs import notifier, running, worker  # noqa: E402 - they need Django to be set up
from kernel.jobs.registry import periodic_functions  # noqa: E402
from kernel.observability import loops, process_endpoint  # noqa: E402

logger = logging.getLogger(__name__)
app = notifier.app
# Created before the pool forks, so that its processes see the parent's value.
_stopping = multiprocessing.Event()  # noqa: CC6 - shared with forked processes


class SignalShutdown(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Notify running tasks of a shutdown, so that they put their jobs back. The worker waits for them."""

    def close(self, _worker: Any) -> None:
        _stopping.set()


class ServeMetrics(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Serve metrics after the pool has forked, so that its processes do not hold the port."""

    requires = ("celery.worker.components:Pool",)

    def start(self, _worker: Any) -> None:
        _serve_metrics()


class Schedule(Scheduler):  # type: ignore[misc]  # Celery ships no types
    """The schedule in memory: no file, and so no pickle, in the working folder. Its turns show that beat is alive."""

    def setup_schedule(self) -> None:
        super().setup_schedule()
        _serve_metrics()
        logger.info("beat runs the schedule")

    def tick(self, *arguments: Any, **options: Any) -> float:
        loops.record_turn("beat")
        seconds: float = super().tick(*arguments, **options)
        return seconds


def _serve_metrics() -> None:
    try:
        process_endpoint.serve(_METRICS_FOLDER)
    except process_endpoint.CannotListen as error:
        sys.exit(str(error))


def run_job(kind: str, job_id: str) -> None:
    try:
        running.run_job(kind, job_id, _stopping.is_set)
    except Exception:
        logger.exception("a delivered job could not be looked at: it is delivered again")


app.steps["worker"].add(SignalShutdown)
app.steps["worker"].add(ServeMetrics)
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
