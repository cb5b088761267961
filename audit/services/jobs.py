"""Audit events of jobs."""

from django.db import transaction
from msgspec.structs import replace

from audit.log import heartbeats
from audit.log.events import Actor, Event, Outcome
from audit.services.recording import record
from kernel.jobs.job import Job, Status


def record_end(job: Job, actor: Actor, *, finished: Event, failed: Event) -> None:
    """Record how the job ended, in the transaction that ends it. Cancelling a job already records that."""
    transaction.on_commit(heartbeats.beat)  # the worker may be idle for long afterwards
    if job.status == Status.SUCCEEDED:
        record(finished, actor)
    elif job.status == Status.FAILED:
        record(replace(failed, outcome=Outcome.ERROR, code=job.error_code), actor)
