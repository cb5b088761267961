"""The Celery application. It transports ids and runs a schedule; the rows hold all state."""

from typing import Any

from celery import Celery
from celery.app.log import Logging
from django.conf import settings

from kernel.environment.redis_urls import Sentinels

RUN_JOB = "ciphercanary.run_job"
RUN_PERIODIC = "ciphercanary.run_periodic"
_BEAT_SECONDS = 30  # the longest pause of beat, whose liveness is that it turns
_EXPIRES_SECONDS = 60  # the schedule notifies again for untaken jobs: older notifications only fill the queue


class _KeepOurLogging(Logging):  # type: ignore[misc]  # Celery ships no types
    """Keep the loggers of the settings: Celery's own handlers would bypass the redaction."""

    def setup_logging_subsystem(self, *_arguments: Any, **_options: Any) -> bool:
        return True  # already set up


_sentinels = Sentinels.read(settings.CELERY_BROKER_URL)
_broker_url, _sentinel_options = _sentinels.broker if _sentinels else (settings.CELERY_BROKER_URL, {})

app = Celery("ciphercanary", log=_KeepOurLogging)  # noqa: CC6 - Celery's application
app.conf.update(
    broker_url=_broker_url,
    # Ids as JSON: an attacker with write access to the broker can make a worker look at a row, but cannot run code.
    accept_content=["json"],
    task_serializer="json",
    event_serializer="json",
    task_ignore_result=True,
    result_backend=None,
    task_default_queue="jobs",
    task_acks_late=True,
    worker_prefetch_multiplier=1,  # a long job does not block others in the queue
    worker_concurrency=settings.CC_JOB_THREADS,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    beat_scheduler="ciphercanary.celery:Schedule",
    beat_max_loop_interval=_BEAT_SECONDS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker survives any outage of the broker
    broker_connection_timeout=2,
    broker_transport_options={
        **_sentinel_options,
        "global_keyprefix": f"{settings.CC_REDIS_PREFIX}:celery:",
        # A request does not wait for an unreachable broker, and waits only briefly for one that hangs.
        "max_retries": 0,
        "socket_connect_timeout": 2,
        "socket_timeout": 3,
    },
)


def notify(kind: str, job_id: str) -> None:
    """Send the id to the workers. Raises what Celery and the broker raise."""
    app.send_task(RUN_JOB, [kind, job_id], expires=_EXPIRES_SECONDS, retry=False, ignore_result=True)
