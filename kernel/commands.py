"""Base class of our commands: errors become one line, and unapplied migrations are an error."""

from typing import Any

import django.db
from django.core.management.base import BaseCommand, CommandError, SystemCheckError

from kernel import installation
from kernel.databases.applied_migrations import count_due_migrations
from kernel.databases.database_errors import explain
from kernel.errors import DomainError
from kernel.observability import process_endpoint

NOT_MIGRATED = (
    f"The database lacks tables of this version. {installation.PREPARE} to create them. "
    "Check CC_HOME and DATABASE_URL."
)


class ServiceCommand(BaseCommand):
    """A command whose refusal is one line on standard error; ``--traceback`` adds the traceback."""

    requires_migrations_checks = True
    returncode = 1  # the exit code of a command that cannot run

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise self.failure(describe(error)) from error
        except SystemCheckError as error:
            raise self.failure(" ".join(str(error).split())) from error
        except django.db.Error as error:
            raise self.failure(f"Cannot use the database: {explain(error)}") from error
        except OSError as error:
            line = error.strerror or str(error)
            raise self.failure(f"{error.filename}: {line}" if error.filename else line) from error

    def check_migrations(self) -> None:
        """Raise CommandError where Django would only print a notice and the command would fail later."""
        if count_due_migrations():
            raise self.failure(NOT_MIGRATED)

    def serve_process_endpoint(self) -> None:
        """Serve the metrics and the liveness of this process, for a command that runs until it is stopped."""
        try:
            process_endpoint.serve()
        except process_endpoint.CannotListen as error:
            raise self.failure(str(error)) from None

    def failure(self, line: str) -> CommandError:
        return CommandError(line, returncode=self.returncode)


def describe(error: DomainError) -> str:
    """The error in one line, with one part per field if it names fields."""
    if not error.fields:
        return error.detail
    return "; ".join(f"{name}: {' '.join(messages)}" for name, messages in error.fields.items())
