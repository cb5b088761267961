"""Base classes of our commands: errors become one line, and unapplied migrations are an error."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

import django.db
from django.core.management.base import BaseCommand, CommandError, SystemCheckError

from kernel import __version__, installation
from kernel.databases.applied_migrations import Names, applied_migrations, count_due_migrations
from kernel.databases.database_errors import explain
from kernel.databases.releases import describe_newer_database
from kernel.errors import DomainError
from kernel.observability import process_endpoint

_NOT_MIGRATED = (
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
            raise self.failure(_describe(error)) from error
        except SystemCheckError as error:
            raise self.failure(" ".join(str(error).split())) from error
        except django.db.Error as error:
            raise self.failure(f"Cannot use the database: {explain(error)}") from error
        except OSError as error:
            line = error.strerror or str(error)
            raise self.failure(f"{error.filename}: {line}" if error.filename else line) from error

    def check_migrations(self) -> None:
        """Raise CommandError where Django would only print a notice and the command would fail later."""
        applied = applied_migrations()
        self.refuse_newer_database(applied)
        if count_due_migrations(applied):
            raise self.failure(_NOT_MIGRATED)

    def refuse_newer_database(self, applied: Names) -> None:
        """Raise CommandError if a newer version has migrated the database, and django.db.Error."""
        if problem := describe_newer_database(applied):
            raise self.failure(problem)

    def serve_process_endpoint(self) -> None:
        """Serve the metrics and the liveness of this process, for a command that runs until it is stopped."""
        try:
            process_endpoint.serve()
        except process_endpoint.CannotListen as error:
            raise self.failure(str(error)) from None

    def get_version(self) -> str:
        """Of our package. Django would print its own version."""
        return __version__

    def failure(self, line: str) -> CommandError:
        return CommandError(line, returncode=self.returncode)

    @property
    def name(self) -> str:
        """As typed after ``bin/manage``."""
        return type(self).__module__.rpartition(".")[2]


class JsonCommand(ServiceCommand):
    """A command with the option ``--json``, in ``options["as_json"]``."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def write_json(self, document: Mapping[str, object]) -> None:
        self.stdout.write(json.dumps(document))


class ProgressBar:
    """Draws the progress of a command on standard error, ten times a second at most, if that is a terminal."""

    WIDTH = 30  # characters
    SECONDS = 0.1

    def __init__(self, stderr: Any, unit: str) -> None:
        self._stderr, self._unit = stderr, unit
        self._is_shown = bool(stderr.isatty())
        self._next = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        if self._is_shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + self.SECONDS
            filled = self.WIDTH * done // total if total else 0
            bar = "#" * filled + "-" * (self.WIDTH - filled)
            self._write(f"\r[{bar}] {done:,} of {total or 0:,} {self._unit}")

    def clear(self) -> None:
        """Remove the bar, before the command writes its result."""
        if self._next:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        self._stderr.write(text, ending="")
        self._stderr.flush()


def _describe(error: DomainError) -> str:
    """The error in one line, with one part per field if it names fields."""
    if not error.fields:
        return error.detail
    return "; ".join(f"{name}: {' '.join(messages)}" for name, messages in error.fields.items())
