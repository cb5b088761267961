"""The Celery application: it carries ids and keeps a schedule, and knows nothing that the rows do not."""

from typing import Any

from celery import Celery
from celery.app.log import Logging
from django.conf import settings

RUN_JOB = "ciphercanary.run_job"
RUN_PERIODIC = "ciphercanary.run_periodic"
EXPIRES_SECONDS = 60  # the schedule rings again for a job that was not taken: older bells only fill the queue


class OurLogs(Logging):  # type: ignore[misc]  # Celery ships no types
    """Leaves the loggers as the settings made them: its own handlers would write past the redaction."""

    def setup_logging_subsystem(self, *_arguments: Any, **_options: Any) -> bool:
        return True  # they are set up


app = Celery("ciphercanary", log=OurLogs)
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    # Ids as JSON: whoever writes to the broker makes a worker look at a row, and run no code.
    accept_content=["json"],
    task_serializer="json",
    event_serializer="json",
    task_ignore_result=True,
    result_backend=None,
    task_default_queue="jobs",
    task_acks_late=True,
    worker_prefetch_multiplier=1,  # a long job does not keep others waiting behind it
    worker_concurrency=settings.CC_JOB_THREADS,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    beat_scheduler="celery.beat:Scheduler",  # in memory: no file, and so no pickle, in the working folder
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker outlasts any outage of the broker
    broker_connection_timeout=2,
    broker_transport_options={
        "global_keyprefix": f"{settings.CC_REDIS_PREFIX}:celery:",
        # A request that rings does not wait for a broker that is away, and not long for one that hangs.
        "max_retries": 0,
        "socket_connect_timeout": 2,
        "socket_timeout": 3,
    },
)


def ring(kind: str, job_id: str) -> None:
    """Deliver the id. Raises what Celery and the broker raise."""
    app.send_task(RUN_JOB, [kind, job_id], expires=EXPIRES_SECONDS, retry=False, ignore_result=True)
