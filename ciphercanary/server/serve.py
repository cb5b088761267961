"""The role ``serve``: prepares a fresh machine, then runs the servers until Ctrl-C.

Each step can be interrupted and run again: it continues from its current state.
"""

import shutil
import signal
from typing import IO

from django.conf import settings

from ciphercanary.server import programs
from ciphercanary.server.supervision import Program, run_together


def run(lock: IO[str]) -> int:
    """Run the servers until they are stopped. Returns the web server's exit code."""
    environment = programs.metrics_environment()
    try:
        # They inherit the lock: if this process is killed, the folder stays locked until the last of them exits.
        code = run_together(_programs(), environment, [lock.fileno()])
    finally:
        shutil.rmtree(environment["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
    return 0 if code in {0, -signal.SIGINT, -signal.SIGTERM} else code


def _programs() -> list[Program]:
    """The programs in start order. The sequencer stops last because it signs the entries of the others."""
    beside = [Program("run_sequencer", programs.sequencer(), stop_timeout=10)]
    if not settings.CELERY_BROKER_URL:  # otherwise Celery's workers run the jobs
        beside.append(Program("run_worker", programs.worker(), stop_timeout=10))
    return [*beside, Program("gunicorn", programs.web(), stop_timeout=30)]
