"""An installation that only this process uses: for ``load_demo``, which takes the place of the server and its worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django.db
from django.conf import settings
from django.db import connection

from ciphercanary.server import data_folder, preparation
from ciphercanary.server.starting import CannotStart
from kernel import installation
from kernel.databases.applied_migrations import applied_migrations, count_due_migrations
from kernel.databases.database_errors import explain
from kernel.errors import Conflict

_COMMANDS = "ciphercanary manage %"  # application names of management commands


@contextmanager
def prepared_alone() -> Iterator[None]:
    """Prepare the installation, and let no server start on its data folder until the block ends.

    Raises Conflict if a server uses it, or if it cannot be prepared.
    """
    try:
        with data_folder.locked_home(Path(settings.CC_HOME)):
            _refuse_used_database()
            preparation.prepare()
            yield
    except CannotStart as reason:
        raise Conflict(str(reason)) from None


def _refuse_used_database() -> None:
    """Raises CannotStart if programs of a server use the database, or an earlier version has prepared it."""
    try:
        applied, running = applied_migrations(), _programs() if connection.vendor == "postgresql" else []
    except django.db.Error as error:
        raise CannotStart(f"cannot use the database: {explain(error)}") from error
    if applied and count_due_migrations(applied):
        raise CannotStart(
            "an earlier version has prepared this installation. Use a new CC_HOME and database."
        )
    if running:
        raise CannotStart(
            f"these programs use the database: {', '.join(running)}. Stop them, run {installation.MANAGE} load_demo, "
            "and start them again."
        )


def _programs() -> list[str]:
    """The programs that are connected, also from other machines, as far as their connections have our names."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name LIKE 'ciphercanary %%' AND application_name NOT LIKE %s ORDER BY 1",
            [_COMMANDS],
        )
        return [name for (name,) in cursor.fetchall()]
