"""Jobs and the log: their requesters, and the events about their ends."""

from typing import Any

from django.db import transaction
from msgspec.structs import asdict, replace

from audit.log import heartbeats
from audit.log.events import Actor, Event, Outcome
from audit.log.personal_data import as_recorded
from audit.services.recording import record
from kernel.jobs.job import Job, Status, requester_columns


def recorded_requester(actor: Actor) -> dict[str, Any]:
    """The columns that store the requester of a job, as the entry of its request has them."""
    return requester_columns(asdict(as_recorded(actor)))


def record_end(job: Job, actor: Actor, *, finished: Event | None, failed: Event) -> None:
    """Record how the job ended, in the transaction that ends it. Cancelling a job already records that.

    ``finished``: None if the job itself records its success.
    """
    transaction.on_commit(heartbeats.beat)  # the worker may be idle for long afterwards
    if job.status == Status.SUCCEEDED and finished is not None:
        record(finished, actor)
    elif job.status == Status.FAILED:
        record(replace(failed, outcome=Outcome.ERROR, code=job.error_code), actor)
