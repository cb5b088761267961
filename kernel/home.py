"""The data folder (``CC_HOME``): its permissions and the secrets in it.

The folder is 0700, unless it is a mounted volume that belongs to another user, and every file in it is 0600. It
contains two kinds of secret files and no others: ``kek-<id>.key`` (the key-encryption keys, see ``kernel.trust.kek``)
and ``secret-key`` (Django's). In addition, ``audit-head`` stores the latest known position of the audit log
(``audit.sequencing.head``), and running processes lock ``supervisor.lock``, ``serve.lock`` and ``sequencer.lock``.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kernel.errors import Conflict

# Bytes that stay free: the log may be on the same disk, and without it no request gets a response.
RESERVE = 256 * 1024 * 1024
UNFINISHED = ".unfinished-"
_LEFTOVER_SECONDS = 60  # writing one takes milliseconds
SECRET_KEY_FILE = "secret-key"  # noqa: S105 - a file name
SUPERVISOR_LOCK, SERVE_LOCK = "supervisor.lock", "serve.lock"  # of a running server


def create(home: Path) -> None:
    """Create the folder if it is missing. Raises OSError."""
    os.umask(0o077)
    create_private_folder(home)


def create_private_folder(folder: Path) -> None:
    """Create the folder with mode 0700, or give an existing one this mode. Raises OSError.

    A mounted volume may belong to another user, and only the owner can change its mode. Each file in it is private
    anyway.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)


def prepare(home: Path) -> None:
    """Create the folder and its secret key if they are missing, and remove leftovers. Raises OSError."""
    create(home)
    remove_leftovers(home)
    if not (home / SECRET_KEY_FILE).exists():
        with suppress(FileExistsError):  # another process was faster
            create_private_file(home / SECRET_KEY_FILE, secrets.token_urlsafe(64).encode())


def remove_leftovers(folder: Path) -> None:
    """Remove the files that killed processes left. A younger one may belong to a process that shares the folder."""
    for leftover in folder.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                leftover.unlink()


def read_secret_key(home: Path) -> str:
    """The stored secret key, or a random one for a process that runs before the folder is prepared."""
    try:
        return (home / SECRET_KEY_FILE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return secrets.token_urlsafe(64)


def create_private_file(path: Path, content: bytes) -> None:
    """Create a 0600 file durably: its content and its name are on the disk before this returns.

    The file appears completely or not at all, even if the process is killed. Raises FileExistsError instead of
    overwriting: two concurrent starts must not replace each other's key.
    """
    unfinished = _write_unfinished(path, content)
    try:
        os.link(unfinished, path)  # unlike a rename, it fails if the name is taken
    finally:
        unfinished.unlink()
    sync_folder(path.parent)


def open_private_file(path: Path) -> IO[str]:
    """Open a file for writing, such as a lock, and create it with mode 0600 if it is missing. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w")


def replace_private_file(path: Path, content: bytes) -> None:
    """Like ``create_private_file``, but may replace a file. Readers see either the old content or the new."""
    unfinished = _write_unfinished(path, content)
    try:
        unfinished.replace(path)
    except OSError:
        unfinished.unlink()
        raise
    sync_folder(path.parent)


def _write_unfinished(path: Path, content: bytes) -> Path:
    # mkstemp creates it with mode 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        unfinished.unlink()
        raise
    return unfinished


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A 0700 folder next to this one. It replaces this one when the block ends, and is removed if the block raises.

    Raises Conflict if the folder exists and is not empty, or has no parent, and OSError.
    """
    folder = folder.absolute()
    if not folder.parent.exists():
        raise Conflict(f"The folder {folder.parent} does not exist. Create it first.")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise Conflict(f"{folder} already exists and is not empty. Choose another folder.")
    unfinished = folder.with_name(f"{folder.name}{UNFINISHED}{secrets.token_hex(4)}")
    unfinished.mkdir(mode=0o700)
    try:
        yield unfinished
        os.sync()  # one call for thousands of files: their contents are on disk before the rename
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def try_lock(file: IO[str]) -> bool:
    """Lock the file until it is closed. Returns whether no other process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(path: Path) -> None:
    """Sync the folder, so that the names in it survive a crash. Raises OSError."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
