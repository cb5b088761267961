"""The registry of this process: a task for each kind of job, and periodic functions. Apps fill it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q

from kernel.clock import database_now
from kernel.jobs.job import Job, JobRecord, Status
from kernel.jobs.progress import Progress
from kernel.observability.metrics import job_failures_total


@dataclass(frozen=True, slots=True)
class Task:
    """How to run the jobs of one kind."""

    kind: str
    model: type[Job]
    run: Callable[[Any, Progress], Mapping[str, object]]
    ended: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Periodic:
    """A function that a schedule calls every ``seconds``. ``is_long``: it delays no other one, even if it takes long."""

    name: str
    seconds: float
    function: Callable[[], object]
    is_long: bool


_tasks: dict[str, Task] = {}  # noqa: CC6 - apps register in AppConfig.ready
_periodic: dict[str, Periodic] = {}  # noqa: CC6 - apps register in AppConfig.ready


def register[J: Job](
    kind: str,
    model: type[J],
    run: Callable[[J, Progress], Mapping[str, object]],
    ended: Callable[[J], object] = lambda _job: None,
) -> None:
    """Make ``run`` the task of the jobs of this kind, whose table is that of ``model``.

    ``run`` does the work outside any transaction and must call ``progress(done, total)`` often, because it can only
    be stopped there. It returns columns of ``model``, which are written together with the success unless the lease
    was lost. ``ended`` is called in the transaction that ends a job, for every outcome and in any process, with the
    row in its final state. It writes the audit event. If it raises, the job does not end.
    """
    _tasks[kind] = Task(kind, model, run, ended)
    job_failures_total.labels(kind)  # a counter that begins at 0 also shows its first increase


def register_periodic(
    name: str, seconds: float, function: Callable[[], object], *, is_long: bool = False
) -> None:
    """Call the function periodically in every process with a schedule. Two processes may call it at the same time.

    ``is_long``: the worker that needs no broker calls it in a thread of its own.
    """
    _periodic[name] = Periodic(name, seconds, function, is_long)


def tasks() -> list[Task]:
    return list(_tasks.values())


def find_task(kind: str) -> Task | None:
    return _tasks.get(kind)


def task_of(job: JobRecord) -> Task:
    """Raises LookupError if no task is registered for the kind of the job."""
    return _tasks[job.kind]


def kind_of(model: type[Job]) -> str:
    """The word under which the task of the model's jobs is registered. Raises LookupError."""
    for task in _tasks.values():
        if task.model is model:
            return task.kind
    raise LookupError(f"no task is registered for {model.__name__}")


def periodic_functions() -> list[Periodic]:
    return list(_periodic.values())


def find_periodic(name: str) -> Periodic | None:
    return _periodic.get(name)


def kinds() -> list[str]:
    return list(_tasks)


@dataclass(frozen=True, slots=True)
class Queue:
    """The number of jobs of each status, and the seconds for which the oldest due job has waited for a worker."""

    counts: Mapping[str, int]
    age: float


def read_queues() -> dict[str, Queue]:
    """The queue of every registered kind, with one query."""
    now = database_now()
    rows = JobRecord.objects.order_by().values_list("kind", "status")
    found: dict[str, list[tuple[Any, ...]]] = {}
    for kind, *row in rows.annotate(Count("pk"), Min("due_at"), Min("lease_until")):
        found.setdefault(kind, []).append(tuple(row))
    return {kind: _queue(found.get(kind, []), now) for kind in _tasks}


def worker_last_seen() -> datetime | None:
    """When a worker last started or ended a job of any kind; None if never."""
    ended = Max("finished_at", filter=~Q(status=Status.CANCELLED.value))
    rows = JobRecord.objects.filter(kind__in=kinds())
    found = rows.aggregate(started=Max("started_at"), ended=ended)
    return max((at for at in found.values() if at), default=None)


def _queue(rows: Iterable[tuple[Any, ...]], now: datetime) -> Queue:
    counts, due_since = dict.fromkeys(Status, 0), now
    for status, count, due_at, lease_until in rows:
        counts[Status(status)] = count
        if status == Status.PENDING:
            due_since = min(due_since, due_at)
        elif status == Status.RUNNING:  # due again if its worker let the lease expire
            due_since = min(due_since, lease_until)
    return Queue({status.value: count for status, count in counts.items()}, (now - due_since).total_seconds())
