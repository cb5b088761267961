"""Files of exports, in ``CC_HOME/exports`` (0700 unless it is a mounted volume, every file in it 0600).

A file gets a name that ends in ``.unfinished``, and is renamed once it is complete and synced to disk. The name
contains the ids of the job and of the attempt, so two workers that consider each other dead never write to the same
file. The row alone decides which file is valid.
"""

import errno
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import UUID

from django.conf import settings

from kernel.home import RESERVE, create_private_folder, sync_folder
from kernel.trust.row_mac import IntegrityFailed

UNFINISHED = ".unfinished"
FILE_SYSTEM = "lost+found"  # in the top folder of an ext4 volume, where the exports may be mounted
LOOKED_AFTER = 8 * 1024 * 1024  # bytes between two checks of the free space
ARCHIVE_ROOT = "audit-log"
_ATTEMPT = re.compile("[0-9a-f]{16}")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class HashedFile:
    """Counts and hashes the bytes written through it. Raises OSError before the disk is full."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._looks_at = 0
        self.size = 0

    def write(self, octets: bytes) -> int:
        if self.size >= self._looks_at:
            require_space()
            self._looks_at = self.size + LOOKED_AFTER
        self._hash.update(octets)
        self.size += len(octets)
        return self._file.write(octets)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of everything written so far."""
        return self._hash.hexdigest()


def path_of(job_id: UUID, attempt: str, extension: str) -> Path:
    """The path of the result of this attempt (16 hexadecimal digits). Raises IntegrityFailed for an invalid attempt.

    An attacker with write access to the database must not choose which file of the data folder is served.
    """
    if not _ATTEMPT.fullmatch(attempt):
        raise IntegrityFailed("The export record was changed outside the application. Start a new export.")
    return _folder() / f"{job_id}.{attempt}.{extension}"


def require_space() -> None:
    """Raises OSError if less than ``RESERVE`` is free on the disk of the folder."""
    if shutil.disk_usage(_folder()).free < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(_folder()))


@contextmanager
def new_file(path: Path) -> Iterator[HashedFile]:
    """A file that appears under this name, durably, when the block ends, and is discarded if it raises.

    Raises OSError.
    """
    _make_folder()
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with os.fdopen(os.open(unfinished, _NEW, 0o600), "wb") as file:
            yield HashedFile(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(_folder())


@contextmanager
def temporary_folder(job_id: UUID) -> Iterator[Path]:
    """A temporary folder for the files of the job, removed when the block ends. Raises OSError."""
    _make_folder()
    with TemporaryDirectory(prefix=f"{job_id}.", suffix=UNFINISHED, dir=_folder()) as folder:
        yield Path(folder)


def pack(folder: Path, file: HashedFile, after_each: Callable[[], None]) -> None:
    """Write the files below the folder to a tar archive (POSIX.1-2001). Raises what ``after_each`` raises.

    Owners and times are left out, so equal files give equal archives.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with tarfile.open(  # type: ignore[call-overload]  # as a stream it only writes
        fileobj=file, mode="w|", format=tarfile.PAX_FORMAT
    ) as archive:
        for path in paths:
            member = tarfile.TarInfo(f"{ARCHIVE_ROOT}/{path.relative_to(folder)}")
            member.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(member, content)
            after_each()


def names() -> list[str]:
    """Names of everything in the folder, except what its file system needs."""
    found = {path.name for path in _folder().iterdir()} if _folder().exists() else set()
    return sorted(found - {FILE_SYSTEM})


def remove(some: Collection[str]) -> None:
    """Remove items that ``names`` returned. Raises OSError."""
    for path in (_folder() / name for name in some):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    home: Path = settings.CC_HOME
    return home / "exports"


def _make_folder() -> None:
    create_private_folder(_folder())
