"""The data folder (``CC_HOME``) at the start of a role: the folder, and the locks of roles that need it alone.

``serve`` locks the folder. ``prepare`` does so on SQLite; on PostgreSQL, a lock of the database lets one preparation
run at a time, also across machines. The other roles need PostgreSQL, which coordinates them, and write only files
that they share safely. So they lock nothing, and may share a folder with each other and with ``prepare``.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ciphercanary.server.starting import FOLDER, CannotStart, becomes_true_within
from kernel import home, installation
from kernel.observability import standard_error

_PROGRAMS_TIMEOUT = 15.0  # seconds that a start waits for the programs of a killed one


@contextmanager
def locked_home(folder: Path, timeout: float = _PROGRAMS_TIMEOUT) -> Iterator[IO[str]]:
    """Lock and prepare the data folder. The programs inherit the lock that is yielded. Raises CannotStart.

    Two locks distinguish a second server from the programs of a killed one: ``supervisor.lock`` belongs to this
    process alone, ``serve.lock`` also to every program it starts. Process ids could be reused.
    """
    with _writable(folder):
        home.create(folder)
        supervisor, lock = (
            home.open_private_file(folder / home.SUPERVISOR_LOCK),
            home.open_private_file(folder / home.SERVE_LOCK),
        )
    with supervisor, lock:
        if not home.try_lock(supervisor):
            raise CannotStart(
                f"another server is already using the data folder {folder}. Stop it, or set CC_HOME to another folder.",
                FOLDER,
            )
        if not home.try_lock(lock):
            _wait_for_programs(lock, folder, timeout)
        with _writable(folder):
            home.prepare(folder)
        yield lock


@contextmanager
def shared_home(folder: Path) -> Iterator[None]:
    """Prepare the data folder without locking it. Raises CannotStart."""
    with _writable(folder):
        home.prepare(folder)
    yield


def create_home(folder: Path) -> None:
    """Create the folder if it is missing. Raises CannotStart."""
    with _writable(folder):
        home.create(folder)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotStart(
            f"cannot write to the data folder {folder} ({error.strerror}). Set CC_HOME to a writable folder.",
            FOLDER,
        ) from None


def _wait_for_programs(lock: IO[str], folder: Path, timeout: float) -> None:
    """Wait for the programs of a killed server, which may still respond to their last requests."""
    standard_error.report(
        f"{installation.SERVE}: waiting up to {timeout:.0f} s for processes of an earlier server to end.",
        logging.WARNING,
    )
    if not becomes_true_within(timeout, lambda: home.try_lock(lock)):
        raise CannotStart(
            f"processes of an earlier server still use the data folder {folder}. Start again when they have ended.",
            FOLDER,
        )
