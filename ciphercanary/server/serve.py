"""The programs of the role ``serve``, which run together until Ctrl-C."""

import signal
from collections.abc import Sequence
from functools import partial
from typing import IO

from django.conf import settings

from ciphercanary.server import programs
from ciphercanary.server.readiness import Readiness
from ciphercanary.server.supervision import Program, run_together
from kernel.observability import metrics_folder


def run(commands: Sequence[Program], lock: IO[str], greeting: str) -> int:
    """Run the programs until they are stopped. Returns the web server's exit code.

    Prints the greeting, with its link, once the web server responds.
    """
    readiness = Readiness()
    environment = {**programs.metrics_environment(), **readiness.environment}
    try:
        # They inherit the lock: if this process is killed, the folder stays locked until the last of them exits.
        descriptors = [lock.fileno(), readiness.writing]
        code = run_together(commands, environment, descriptors, partial(_greet, greeting, readiness))
    finally:
        metrics_folder.remove(environment[metrics_folder.VARIABLE])
    return 0 if code in {0, -signal.SIGINT, -signal.SIGTERM} else code


def _greet(greeting: str, readiness: Readiness) -> bool:
    if not readiness.is_reported():
        return False
    print(greeting, flush=True)  # noqa: T201 - for the terminal
    return True


def commands() -> Sequence[Program]:
    """The programs in start order. The sequencer stops last because it signs the entries of the others.

    Raises CannotStart if the web server could not listen.
    """
    beside = [Program("run_sequencer", programs.sequencer(), stop_timeout=10)]
    if not settings.CELERY_BROKER_URL:  # otherwise Celery's workers run the jobs
        beside.append(Program("run_worker", programs.worker(), stop_timeout=10))
    return [*beside, Program("gunicorn", programs.web(), stop_timeout=30)]
