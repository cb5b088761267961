"""Progress of a task, and the lease of its job, which a thread renews while the task runs."""

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

import django.db
from django.conf import settings

from kernel.clock import actual_time, database_now
from kernel.jobs.job import Job, JobRecord

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0

type Report = Callable[[int, int | None], object]
"""Called with the units that are done, and all units, None if unknown."""


def ignore(_done: int, _total: int | None) -> None:
    """Reports nothing."""


class Stop(Exception):
    """Raised by ``Progress`` inside a task. The task must release its resources and let this propagate."""


class LeaseLost(Stop):
    """Another worker may have taken the job, so no further result of this worker may count."""


class Cancelled(Stop):
    """The user cancelled the job."""


class Stopping(Stop):
    """The worker is shutting down; the job is put back for another worker."""


def lease_seconds() -> int:
    return int(settings.CC_JOB_LEASE_SECONDS)


def lease_end(now: datetime) -> datetime:
    """When a lease ends that begins now, on the clock of the other workers."""
    return actual_time(now) + timedelta(seconds=lease_seconds())


class Progress:
    """Progress of a task. Calling it costs no query, so the task calls it for every item.

    A thread writes the latest progress about once a second, renews the lease and checks for cancellation. If it
    cannot (the database is unavailable), the lease counts as lost after its duration on this process's clock,
    measured from before the last renewal. So this worker stops before another worker can take the job.
    """

    def __init__(self, job: Job, is_stopping: Callable[[], bool], report: Report = ignore) -> None:
        self.done, self.total = job.done, job.total
        self._rows = JobRecord.objects.filter(pk=job.pk, lease_holder=job.lease_holder)
        self._is_stopping = is_stopping
        self._report = report
        self._is_cancelled = job.cancel_requested_at is not None
        self._is_lost = False
        self._lease = lease_seconds()
        self._renewed = time.monotonic()
        self._left = threading.Event()
        # Run in the context of the task, so that its log lines carry the id of the job, too.
        self._thread = threading.Thread(target=copy_context().run, args=[self._beat], daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def __call__(self, done: int, total: int | None = None) -> None:
        """Report ``done`` of ``total`` units; None if unknown. Raises a ``Stop`` if the task has to end."""
        self.done = done
        self.total = self.total if total is None else total
        self._report(done, self.total)
        if self._is_lost or time.monotonic() - self._renewed > self._lease:
            raise LeaseLost
        if self._is_cancelled:
            raise Cancelled
        if self._is_stopping():
            raise Stopping

    @property
    def columns(self) -> dict[str, int | None]:
        """``done`` and ``total`` as columns of the row."""
        done = self.done  # read once: the task changes it concurrently
        return {"done": done, "total": None if self.total is None else max(self.total, done)}

    def _beat(self) -> None:
        try:
            while not self._left.wait(min(BEAT_SECONDS, self._lease / 4)):
                self._renew_if_possible()
        finally:
            django.db.connections.close_all()

    def _renew_if_possible(self) -> None:
        try:
            self._renew()
        except django.db.Error:
            logger.warning("the lease of a job could not be renewed; it is tried again", exc_info=True)
        finally:
            django.db.close_old_connections()  # return a pooled connection, close a broken one

    def _renew(self) -> None:
        began = time.monotonic()
        if not self._rows.update(lease_until=lease_end(database_now()), **self.columns):
            self._is_lost = True
        elif self._rows.filter(cancel_requested_at__isnull=False).exists():
            self._is_cancelled = True
        self._renewed = began
