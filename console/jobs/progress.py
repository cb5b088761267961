"""The progress of a job, for display."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from console.jobs.kinds import JOB_KINDS
from kernel.jobs.job import JobRecord, Status

_MILESTONES = (25, 50, 75, 100)
# (number of polls, seconds between them): the first ones, the next ones, and then ``_SLOWEST``.
_PACES = ((5, 1), (10, 2))
_SLOWEST = 5
_LONG_WAIT = timedelta(seconds=15)  # a free worker takes a job within about a second


@dataclass(frozen=True, slots=True)
class _JobProgress:
    """The progress of a job at one time. ``percent`` and ``left`` are None if unknown."""

    percent: int | None
    left: timedelta | None
    has_waited_long: bool
    failure: str

    @property
    def minutes_left(self) -> int:
        return round(self.left.total_seconds() / 60) if self.left else 0

    @property
    def milestone(self) -> int:
        """The last one that was reached, 0 before the first."""
        return max((mark for mark in _MILESTONES if mark <= (self.percent or 0)), default=0)


def progress_of(job: JobRecord, now: datetime) -> _JobProgress:
    percent = None
    if job.status == Status.SUCCEEDED:
        percent = 100
    elif job.total:
        percent = job.done * 100 // job.total
    return _JobProgress(
        percent=percent,
        left=_left(job, now),
        has_waited_long=(
            job.status == Status.PENDING and job.due_at is not None and now - job.due_at > _LONG_WAIT
        ),
        failure=JOB_KINDS[job.kind].failures.get(job.error_code, job.error_code),
    )


def pace(polls: int) -> int:
    """Seconds until the next poll, after ``polls`` polls."""
    return next((seconds for number, seconds in _PACES if polls < number), _SLOWEST)


def _left(job: JobRecord, now: datetime) -> timedelta | None:
    """The remaining time, at the average speed so far."""
    if job.status != Status.RUNNING or not job.total or not job.done or job.started_at is None:
        return None
    return (now - job.started_at) / job.done * (job.total - job.done)
