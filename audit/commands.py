"""Shared parts of the commands of the log: the actor, and progress reports."""

import logging
import time

from audit.log.events import Actor, Source
from kernel.commands import ServiceCommand
from kernel.observability import standard_error


class LogCommand(ServiceCommand):
    """Acts as the application itself, under the name of the command."""

    @property
    def actor(self) -> Actor:
        return Actor.system(self.name, Source.COMMAND)


class PeriodicProgress:
    """Reports the progress of long operations, and nothing of short ones."""

    SECONDS = 5.0

    def __init__(self, unit: str = "entries") -> None:
        self._unit = unit
        self._written_at = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._written_at >= self.SECONDS:
            self._written_at = time.monotonic()
            standard_error.report(f"{done} of {total} {self._unit}", logging.INFO)
