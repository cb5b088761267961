"""Long work: a row with a lease is the truth (``job``), whoever holds the lease does it (``running``).

An app makes a table of ``Job``, registers a task for it when it is ready (``AppConfig.ready``), and calls
``submit`` and ``cancel``. Who brings the id of a job to whom does not matter: the embedded worker polls
(``worker``), Celery is rung (``bell``).
"""

from kernel.jobs.delivery import cancel, submit
from kernel.jobs.job import ENDED, Job, Status, asked_by
from kernel.jobs.progress import Progress, Stop
from kernel.jobs.registry import count_by_status, register, register_periodic

__all__ = [
    "ENDED",
    "Job",
    "Progress",
    "Status",
    "Stop",
    "asked_by",
    "cancel",
    "count_by_status",
    "register",
    "register_periodic",
    "submit",
]
