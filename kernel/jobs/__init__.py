"""Background jobs: a row with a lease holds the state (``job``), and the lease holder runs it (``running``).

An app defines a table of ``Job``, registers a task for it in ``AppConfig.ready``, and calls ``submit`` and
``cancel``. The transport of job ids does not matter: the embedded worker polls (``worker``), and Celery is notified
(``notifier``).
"""

from kernel.jobs.delivery import cancel, submit, submit_leased
from kernel.jobs.job import ENDED, UNFINISHED, Job, JobRecord, Status, requester_columns
from kernel.jobs.progress import Progress, Stop
from kernel.jobs.registry import kinds, read_queues, register, register_periodic, worker_last_seen

__all__ = [
    "ENDED",
    "UNFINISHED",
    "Job",
    "JobRecord",
    "Progress",
    "Status",
    "Stop",
    "cancel",
    "kinds",
    "read_queues",
    "register",
    "register_periodic",
    "requester_columns",
    "submit",
    "submit_leased",
    "worker_last_seen",
]
