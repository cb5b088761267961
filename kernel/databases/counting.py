"""Whether metrics count the statements and new connections of this thread.

Counters would show every reader of the metrics what a hidden route or the watcher of the log did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_is_counted: ContextVar[bool] = ContextVar("_is_counted", default=True)


@contextmanager
def uncounted_statements() -> Iterator[None]:
    """No metric counts the statements and new connections of the block."""
    token = _is_counted.set(False)
    try:
        yield
    finally:
        _is_counted.reset(token)


def is_counted() -> bool:
    return _is_counted.get()


def countable(counting: type[Any]) -> type[Any]:
    """The class of cursors that counts as ``counting``, a class of django_prometheus, but only what is counted."""

    class Cursor(counting):  # type: ignore[misc]  # a class that is known at run time only
        def execute(self, *args: Any, **options: Any) -> Any:
            parent: Any = super() if is_counted() else super(counting, self)
            return parent.execute(*args, **options)

        def executemany(self, *args: Any, **options: Any) -> Any:
            parent: Any = super() if is_counted() else super(counting, self)
            return parent.executemany(*args, **options)

    return Cursor
