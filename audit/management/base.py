"""What the commands of the log share: the actor they act as, and how they report progress."""

import time
from collections.abc import Callable

from audit.log.events import Actor, Source
from kernel.commands import ServiceCommand


class LogCommand(ServiceCommand):
    """Acts as the application itself, under the command's own name."""

    @property
    def actor(self) -> Actor:
        return Actor.system(type(self).__module__.rpartition(".")[2], Source.COMMAND)


class EveryFewSeconds:
    """Tells of the progress of long work, and nothing of short work."""

    SECONDS = 5.0

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._told >= self.SECONDS:
            self._told = time.monotonic()
            self._tell(f"{done} of {total} entries")
