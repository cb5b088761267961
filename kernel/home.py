"""The data folder (``CC_HOME``): who may read it, and the secrets that live in it.

The folder is 0700 and every file in it 0600. Two kinds of secret file stand there and no others:
``kek-<id>.key`` (the key-encryption keys, see ``kernel.trust.kek``) and ``secret-key`` (Django's). Beside them
``audit-head`` remembers how far the audit log had come (``audit.sequencing.head``), and ``supervisor.lock``,
``serve.lock`` and ``sequencer.lock`` are held by what runs.
"""

import os
import secrets
import tempfile
from pathlib import Path

# Bytes that stay free: the log may lie on the same disk, and where it cannot be written nothing is answered.
RESERVE = 256 * 1024 * 1024
UNFINISHED = ".unfinished-"
SECRET_KEY_FILE = "secret-key"  # noqa: S105 - a file name


def create(home: Path) -> None:
    """Create the folder if it is missing. Raises OSError where that is impossible."""
    os.umask(0o077)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)


def prepare(home: Path) -> None:
    """Create the folder and its secret key if they are missing. One process at a time; raises OSError."""
    create(home)
    for leftover in home.glob(f"{UNFINISHED}*"):
        leftover.unlink()
    if not (home / SECRET_KEY_FILE).exists():
        create_private_file(home / SECRET_KEY_FILE, secrets.token_urlsafe(64).encode())


def read_secret_key(home: Path) -> str:
    """The stored secret key, or a random one for a process that runs before the folder is prepared."""
    try:
        return (home / SECRET_KEY_FILE).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return secrets.token_urlsafe(64)


def create_private_file(path: Path, content: bytes) -> None:
    """Write a new 0600 file durably: it is on the disk, name included, before this returns.

    It appears whole or not at all, whenever the process is killed. Raises FileExistsError rather than
    overwrite: two starts at once must not replace each other's key.
    """
    unfinished = _write_unfinished(path, content)
    try:
        os.link(unfinished, path)  # unlike a rename, it refuses a name that is taken
    finally:
        unfinished.unlink()
    _sync_folder(path.parent)


def replace_private_file(path: Path, content: bytes) -> None:
    """The same for a file that may be there: whoever reads it sees the old content or the new."""
    unfinished = _write_unfinished(path, content)
    try:
        unfinished.replace(path)
    except OSError:
        unfinished.unlink()
        raise
    _sync_folder(path.parent)


def _write_unfinished(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)  # mkstemp's files are 0600
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


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
