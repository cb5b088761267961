"""Running a job: claim it, run its task, record the outcome. Independent of how its id was delivered."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import django.db

from kernel.clock import database_now
from kernel.errors import DomainError, Unavailable, VersionConflict
from kernel.jobs import leases
from kernel.jobs.job import Job, JobRecord, Status
from kernel.jobs.progress import Cancelled, LeaseLost, Progress, Report, Stopping, ignore
from kernel.jobs.registry import Task, find_task, task_of, tasks
from kernel.observability import tracing
from kernel.observability.logs import current_request_id

logger = logging.getLogger(__name__)

_INTERNAL = "internal"
# Retryable errors: the database, or another dependency of the task, may recover; a version may be read again.
_RETRYABLE = (django.db.OperationalError, django.db.InterfaceError, Unavailable, VersionConflict)


def run_job(kind: str, job_id: UUID | str, is_stopping: Callable[[], bool]) -> None:
    """Run this job if it is due; otherwise do nothing. Raises django.db.Error if it cannot be claimed."""
    task = find_task(kind)
    if task is None:
        logger.error("a job of a kind that is not known here was delivered")
        return
    job = leases.claim(task, job_id)
    if job is not None:
        _run(task, job, is_stopping)


def run_leased(job: Job, is_stopping: Callable[[], bool], report: Report = ignore) -> None:
    """Run a job from ``submit_leased``, and reload it. Each progress is also passed to ``report``."""
    _run(task_of(job), job, is_stopping, report)
    job.refresh_from_db()


def run_next(is_stopping: Callable[[], bool]) -> bool:
    """Run one of the due jobs, oldest first. False if there was none."""
    for task, job_id in _due_jobs():
        job = leases.claim(task, job_id)
        if job is not None:
            _run(task, job, is_stopping)
            return True
    return False


def _due_jobs() -> list[tuple[Task, UUID]]:
    """The ten oldest, because other workers may claim the first ones sooner."""
    known = {task.kind: task for task in tasks()}
    rows = JobRecord.objects.filter(leases.due(database_now()), kind__in=known).order_by("due_at")
    return [(known[kind], job_id) for kind, job_id in rows.values_list("kind", "pk")[:10]]


def _run(task: Task, job: Job, is_stopping: Callable[[], bool], report: Report = ignore) -> None:
    with _log_with_id_of(job), _traced(task, job):
        try:
            _attempt(task, job, is_stopping, report)
        except LeaseLost:
            logger.warning("the lease of a job was lost: what was done here does not count")
        except Exception:
            # The outcome could not be written. The lease expires and the job becomes due again.
            logger.exception("the end of a job could not be written")


def _attempt(task: Task, job: Job, is_stopping: Callable[[], bool], report: Report) -> None:
    progress = Progress(job, is_stopping, report)
    try:
        with progress:
            progress(job.done)  # it may have been cancelled since, or before its last worker died
            result = task.run(job, progress)
        leases.end(job, Status.SUCCEEDED, progress.columns, result=result)
    except LeaseLost:
        raise
    except Cancelled:
        leases.end(job, Status.CANCELLED, progress.columns)
    except Stopping:
        leases.hand_over(job, progress.columns)
    except _RETRYABLE as error:
        logger.warning("a job could not be done now", exc_info=True)
        tracing.note_error(error)
        django.db.close_old_connections()  # a broken connection could not write this either
        leases.put_back(job, progress.columns, error_code=_code(error))
    except Exception as error:
        logger.exception("a job failed")
        tracing.note_error(error)
        django.db.close_old_connections()
        leases.end(job, Status.FAILED, progress.columns, error_code=_code(error))


def _code(error: Exception) -> str:
    if isinstance(error, DomainError):
        return error.code
    return Unavailable.code if isinstance(error, _RETRYABLE) else _INTERNAL


def _traced(task: Task, job: Job) -> AbstractContextManager[None]:
    return tracing.job(task.kind, str(job.pk), job.attempts, str(job.actor.get("request_id", "")))


@contextmanager
def _log_with_id_of(job: Job) -> Iterator[None]:
    """Log lines inside the block carry the id of the job."""
    token = current_request_id.set(str(job.pk))
    try:
        yield
    finally:
        current_request_id.reset(token)
