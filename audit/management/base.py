"""What the commands of the log share: whom they act as, and how they refuse."""

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
