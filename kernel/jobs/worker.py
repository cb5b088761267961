"""The worker that needs no broker: threads that poll the table of jobs, and one for the schedule."""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

import django.db

from kernel.jobs.registry import Periodic, find_periodic, periodic_functions
from kernel.jobs.running import run_next
from kernel.observability.loops import record_turn
from kernel.stopping import pause

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
AFTER_FAILURE_SECONDS = 5.0

type _IsStopping = Callable[[], bool]
type _Step = Callable[[_IsStopping], bool]
"""One turn of a loop. Returns whether it found work."""


def work(threads: int, is_stopping: _IsStopping) -> None:
    """Run jobs until the program has to stop and all running jobs have been put back."""
    stopping = threading.Event()
    loops: dict[str, _Step] = {f"jobs-{number}": run_next for number in range(1, threads + 1)}
    loops["schedule"] = Schedule([each for each in periodic_functions() if not each.is_long]).run_due
    loops |= {each.name: Schedule([each]).run_due for each in periodic_functions() if each.is_long}
    doing = [threading.Thread(target=_repeat, args=[loop, step, stopping]) for loop, step in loops.items()]
    for thread in doing:
        thread.start()
    pause(math.inf, is_stopping)
    stopping.set()
    for thread in doing:
        thread.join()


def _repeat(loop: str, step: _Step, stopping: threading.Event) -> None:
    """Call ``step`` again at once if it found work, else after a pause."""

    def is_stopping() -> bool:
        record_turn(loop)  # a running job calls this with its progress
        return stopping.is_set()

    pause = 0.0
    while not stopping.wait(pause):
        began = time.monotonic()
        record_turn(loop)
        try:
            pause = 0.0 if step(is_stopping) else _until_next(began)
        except Exception:
            logger.exception("the worker continues after a pause")
            pause = AFTER_FAILURE_SECONDS
        finally:
            django.db.close_old_connections()
    django.db.connections.close_all()


def _until_next(began: float) -> float:
    """Seconds until the next turn, which begins whole periods after this one.

    The times of turns are a metric. It must not show how long the watcher of canaries took.
    """
    return _POLL_SECONDS - (time.monotonic() - began) % _POLL_SECONDS


class Schedule:
    """Runs each periodic function once at the start and then at its interval."""

    def __init__(self, functions: Sequence[Periodic]) -> None:
        self._functions = functions
        self._next: dict[str, float] = {}

    def run_due(self, _is_stopping: _IsStopping) -> bool:
        for periodic in self._functions:
            now = time.monotonic()
            if now >= self._next.get(periodic.name, 0.0):
                # Half a period earlier: it runs in the turn nearest to its time.
                self._next[periodic.name] = now + periodic.seconds - _POLL_SECONDS / 2
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
