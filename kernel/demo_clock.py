"""The clock of ``load_demo``, which runs behind the actual time so that a new instance gets a history.

Only the command's own thread sees it. Other threads, new threads and other processes have the actual time, and no
setting, variable or row changes it. An import contract allows only the demo to move it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final

_NONE: Final = timedelta()
_behind: ContextVar[timedelta] = ContextVar("_behind", default=_NONE)


def behind() -> timedelta:
    """How far the clock of this thread is behind the actual time. Never negative."""
    return _behind.get()


class DemoClock:
    """Runs at normal speed. It only moves forward, to the actual time at most, so that entries stay in order."""

    def move_to(self, at: datetime) -> None:
        """Move forward to ``at``. An earlier time has no effect."""
        _behind.set(min(_behind.get(), _distance(at)))


@contextmanager
def running_from(begins_at: datetime) -> Iterator[DemoClock]:  # noqa: CC4 - the definition
    """Run the clock of this thread from ``begins_at`` on, until the block ends."""
    token = _behind.set(_distance(begins_at))
    try:
        yield DemoClock()
    finally:
        _behind.reset(token)


def _distance(at: datetime) -> timedelta:
    return max(_NONE, datetime.now(UTC) - at)
