"""Files of jobs, in a folder of ``CC_HOME`` (0700 unless it is a mounted volume, every file in it 0600).

A file gets a name that ends in ``.unfinished``, and is renamed once it is complete and synced to disk. The name
contains the ids of the job and of the attempt, so two workers that consider each other dead never write to the same
file. The row alone decides which file is valid.
"""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from uuid import UUID

from django.conf import settings

from kernel.home import RESERVE, create_private_folder, sync_folder
from kernel.trust.row_mac import IntegrityFailed

_UNFINISHED = ".unfinished"
_FILE_SYSTEM = "lost+found"  # in the top folder of an ext4 volume, where the folder may be mounted
_LOOKED_AFTER = 8 * 1024 * 1024  # bytes between two checks of the free space
_ATTEMPT = re.compile("[0-9a-f]{16}")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class HashedFile:
    """Counts and hashes the bytes written through it. Raises OSError before less than ``RESERVE`` is free.

    ``threads`` hash one piece and sync earlier ones while the next one is computed and written.
    """

    def __init__(self, file: BinaryIO, folder: Path, threads: Executor, *, hashes: bool) -> None:
        self._file = file
        self._hashes = hashes
        self._folder = folder
        self._threads = threads
        self._hash = hashlib.sha256()
        self._hashed: Future[None] | None = None
        self._synced: Future[None] | None = None
        self._looks_at = _LOOKED_AFTER
        self.size = 0
        _require_space(folder)

    def write(self, octets: bytes) -> int:
        if self.size >= self._looks_at:
            _require_space(self._folder)
            self._looks_at = self.size + _LOOKED_AFTER
            if self._synced is None or self._synced.done():
                self._wait_for(self._synced)
                self._synced = self._threads.submit(os.fdatasync, self._file.fileno())
        if self._hashes:
            self._wait_for(self._hashed)
            self._hashed = self._threads.submit(self._hash.update, octets)
        self.size += len(octets)
        return self._file.write(octets)

    def sync(self) -> None:
        """Everything written is on the disk when this returns. Raises OSError."""
        self._wait_for(self._synced)  # its error is reported once
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of everything written so far."""
        self._wait_for(self._hashed)
        return self._hash.hexdigest()

    def _wait_for(self, work: Future[None] | None) -> None:
        if work is not None:
            work.result()


@contextmanager
def new_file(path: Path, *, hashes: bool = True) -> Iterator[HashedFile]:
    """A file that appears under this name, durably, when the block ends, and is discarded if it raises.

    ``hashes``: its SHA-256 is needed. Raises OSError.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    descriptor = os.open(unfinished, _NEW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, ThreadPoolExecutor(2) as threads:
            written = HashedFile(file, path.parent, threads, hashes=hashes)
            yield written
            written.sync()
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)


def _require_space(folder: Path) -> None:
    if shutil.disk_usage(folder).free < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


class JobFolder:
    """The folder of one kind of jobs."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def path(self) -> Path:
        home: Path = settings.CC_HOME
        return home / self._name

    def path_of(self, job_id: UUID, attempt: str, extension: str) -> Path:
        """The path of a file of this attempt (16 hexadecimal digits). Raises IntegrityFailed for an invalid attempt.

        An attacker with write access to the database must not choose which file of the data folder is served.
        """
        if not _ATTEMPT.fullmatch(attempt):
            raise IntegrityFailed("The record of a job was changed outside the application. Start a new job.")
        return self.path / f"{job_id}.{attempt}.{extension}"

    @contextmanager
    def new_file(self, path: Path, *, hashes: bool = True) -> Iterator[HashedFile]:
        """As the function of this name, for a path in this folder, which is created if it is missing."""
        create_private_folder(self.path)
        with new_file(path, hashes=hashes) as file:
            yield file

    @contextmanager
    def temporary_folder(self, job_id: UUID) -> Iterator[Path]:
        """A temporary folder for the files of the job, removed when the block ends. Raises OSError."""
        create_private_folder(self.path)
        with TemporaryDirectory(prefix=f"{job_id}.", suffix=_UNFINISHED, dir=self.path) as folder:
            yield Path(folder)

    def names(self) -> list[str]:
        """Names of everything in the folder, except what its file system needs."""
        found = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
        return sorted(found - {_FILE_SYSTEM})

    def remove(self, some: Collection[str]) -> None:
        """Remove items that ``names`` returned. Raises OSError."""
        for path in (self.path / name for name in some):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
