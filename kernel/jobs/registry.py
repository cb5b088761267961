"""What this process can do: a task for each kind of job, and what is done every so often. Filled by the apps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from kernel.jobs.job import Job, Status
from kernel.jobs.progress import Progress


@dataclass(frozen=True, slots=True)
class Task:
    """How the jobs of one table are done."""

    kind: str
    model: type[Job]
    run: Callable[[Any, Progress], Mapping[str, object]]
    ended: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Periodic:
    """A function that a schedule calls every ``seconds``."""

    name: str
    seconds: float
    function: Callable[[], object]


_tasks: dict[str, Task] = {}
_periodic: dict[str, Periodic] = {}


def register[J: Job](
    kind: str,
    model: type[J],
    run: Callable[[J, Progress], Mapping[str, object]],
    ended: Callable[[J], object] = lambda _job: None,
) -> None:
    """Make ``run`` the task of the jobs of this table; ``kind`` is its word in messages and metrics.

    ``run`` does the work outside any transaction and calls ``progress(done, total)`` often: that is where it is
    stopped. It returns the columns of its result; they are written together with the success, unless the lease
    was lost. ``ended`` is called in the transaction that ends a job, whichever way and in whichever process, with
    the row as it will be: the place of the record. If it raises, the job does not end.
    """
    _tasks[kind] = Task(kind, model, run, ended)


def register_periodic(name: str, seconds: float, function: Callable[[], object]) -> None:
    """Call the function every so often, wherever a schedule is kept; now and then two processes do at once."""
    _periodic[name] = Periodic(name, seconds, function)


def tasks() -> list[Task]:
    return list(_tasks.values())


def find_task(kind: str) -> Task | None:
    return _tasks.get(kind)


def task_of(job: Job) -> Task:
    """The task of the job's table. Raises LookupError where none is registered."""
    for task in _tasks.values():
        if isinstance(job, task.model):
            return task
    raise LookupError(f"no task is registered for {type(job).__name__}")


def periodic_functions() -> list[Periodic]:
    return list(_periodic.values())


def find_periodic(name: str) -> Periodic | None:
    return _periodic.get(name)


def count_by_status() -> dict[str, dict[str, int]]:
    """``{kind: {status: jobs}}`` with every kind that is registered and every status."""
    return {task.kind: _count(task.model) for task in _tasks.values()}


def _count(model: type[Job]) -> dict[str, int]:
    found = model._default_manager.order_by().values_list("status").annotate(Count("pk"))
    return {status.value: 0 for status in Status} | dict(found)
