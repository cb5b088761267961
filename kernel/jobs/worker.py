"""The worker that needs no broker: threads that poll the tables of jobs, and one for the schedule."""

import logging
import threading
import time
from collections.abc import Callable

import django.db

from kernel.jobs.registry import find_periodic, periodic_functions
from kernel.jobs.running import run_next

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
AFTER_FAILURE_SECONDS = 5.0


def work(threads: int, stopping: threading.Event) -> None:
    """Run jobs until ``stopping`` is set and all running jobs have been put back."""
    doing = [threading.Thread(target=_repeat, args=[_poll, stopping]) for _ in range(threads)]
    doing.append(threading.Thread(target=_repeat, args=[Schedule().run_due, stopping]))
    for thread in doing:
        thread.start()
    for thread in doing:
        thread.join()


def _repeat(step: Callable[[threading.Event], bool], stopping: threading.Event) -> None:
    """Call ``step`` again at once if it found work, else after a pause."""
    pause = 0.0
    while not stopping.wait(pause):
        try:
            pause = 0.0 if step(stopping) else POLL_SECONDS
        except Exception:
            logger.exception("the worker continues after a pause")
            pause = AFTER_FAILURE_SECONDS
        finally:
            django.db.close_old_connections()
    django.db.connections.close_all()


def _poll(stopping: threading.Event) -> bool:
    return run_next(stopping.is_set)


class Schedule:
    """Runs each periodic function once at the start and then at its interval."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def run_due(self, _stopping: threading.Event) -> bool:
        for periodic in periodic_functions():
            if time.monotonic() >= self._next.get(periodic.name, 0.0):
                self._next[periodic.name] = time.monotonic() + periodic.seconds
                run_periodic(periodic.name)
        return False


def run_periodic(name: str) -> None:
    """Call the function with this name. A failure is logged and retried at the next interval. Never raises."""
    periodic = find_periodic(name)
    if periodic is None:
        logger.error("a periodic function that is not known here was asked for")
        return
    try:
        periodic.function()
    except Exception:
        logger.exception("%s failed", periodic.name)
