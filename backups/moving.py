"""Move a SQLite installation to PostgreSQL: a backup of the stopped server, restored into the other database."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings
from django.db import OperationalError, connection

from audit.log.raw_rows import ReportProgress
from backups.other_database import run_on_other_database
from backups.writing import write_snapshot
from kernel import home
from kernel.errors import Conflict, Invalid

# In the data folder. It is removed at the end, and at the start after an interruption.
_FOLDER = "copy-to-postgresql"


def copy_to_postgresql(url: str, *, progress: ReportProgress) -> None:
    """Copy everything into the empty PostgreSQL database at ``url``, and verify the log there.

    The copy is complete or not there at all. Raises Conflict while the server runs, if this database is not SQLite,
    and if the copy failed, Invalid for another URL, and what ``write_snapshot`` raises.
    """
    if not settings.CC_SQLITE:
        raise Conflict("This installation does not use SQLite. Use backup and restore instead.")
    if not url.startswith(("postgres://", "postgresql://")):
        raise Invalid("The target must be a URL such as postgresql://user:password@host:5432/name.")
    with _stopped_server(settings.CC_HOME), _temporary_folder() as folder:
        _require_alone()
        write_snapshot(folder, progress)
        if run_on_other_database("restore", str(folder), "--verify", url=url):
            raise Conflict("The copy failed. SQLite remains in use. Solve the problem above, and copy again.")


@contextmanager
def _stopped_server(folder: Path) -> Iterator[None]:
    """Hold the locks of the server, so that none starts. Raises Conflict if one runs."""
    with ExitStack() as stack:
        for name in (home.SUPERVISOR_LOCK, home.SERVE_LOCK):
            if not home.try_lock(stack.enter_context(home.open_private_file(folder / name))):
                raise Conflict("The server is running. Stop it, then copy again.")
        yield


def _require_alone() -> None:
    """Raises Conflict if another process has the file open, such as a web server that was started alone."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            cursor.execute("PRAGMA journal_mode = DELETE")  # SQLite leaves WAL only with the last connection
        except OperationalError:
            raise Conflict("Another process uses the database. Stop it, then copy again.") from None


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(settings.CC_HOME) / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
