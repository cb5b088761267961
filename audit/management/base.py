"""What the commands of the log share: whom they act as, and how they refuse."""

import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.events import Actor, Source
from ciphercanary.errors import DomainError


class LogCommand(BaseCommand):
    """Acts as the application itself, under the command's own name; a refusal becomes one line."""

    requires_migrations_checks = True

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(error.detail) from None

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
