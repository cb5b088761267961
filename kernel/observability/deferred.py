"""Metrics of an event loop, written in groups: one write of a shared counter takes microseconds."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from kernel.runtime import ProcessState

PERIOD: Final = 0.1  # seconds that a value waits at most


class Deferred[T]:
    """Collects values, and passes them to ``write`` together. Use it from one event loop only."""

    def __init__(self, write: Callable[[list[T]], None]) -> None:
        self._write = write
        self._values: list[T] = []

    def add(self, value: T) -> None:
        if not self._values:
            _waiting.current.append(self)
            asyncio.get_running_loop().call_later(PERIOD, self.write)
        self._values.append(value)

    def write(self) -> None:
        """Write what waits."""
        values, self._values = self._values, []
        if values:
            _waiting.current.remove(self)
            self._write(values)


def write_all() -> None:
    """Write what waits, before it is read, or at the end of the event loop."""
    for deferred in list(_waiting.current):
        deferred.write()


_waiting = ProcessState[list[Deferred[Any]]](list)
