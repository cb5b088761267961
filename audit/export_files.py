"""The files of exports, in ``CC_HOME/exports`` (0700, every file in it 0600).

A file is written under a name that ends in ``.unfinished`` and is renamed once it is whole and on the disk. The
name holds the id of the job and of the attempt: two workers that take each other for dead never write to the same
file, and which one counts says the row alone.
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

from ciphercanary.row_mac import IntegrityFailed

UNFINISHED = ".unfinished"
# Bytes that stay free: the log may lie on the same disk, and where it cannot be written nothing is answered.
RESERVE = 256 * 1024 * 1024
LOOKED_AFTER = 8 * 1024 * 1024  # bytes between two looks at what is free
ARCHIVE_ROOT = "audit-log"
_ATTEMPT = re.compile("[0-9a-f]{16}")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class HashedFile:
    """Counts and hashes what is written through it. Raises OSError before the disk is full."""

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
        """Of everything so far, in hexadecimal."""
        return self._hash.hexdigest()


def path_of(job_id: UUID, attempt: str, extension: str) -> Path:
    """Where the result of this attempt (16 hexadecimal digits) is. Raises IntegrityFailed for what is none.

    Whoever writes the database must not choose which file of the data folder is handed out.
    """
    if not _ATTEMPT.fullmatch(attempt):
        raise IntegrityFailed("The export record was changed outside the application. Start a new export.")
    return _folder() / f"{job_id}.{attempt}.{extension}"


def require_space() -> None:
    """Raises OSError where less than ``RESERVE`` is free on the disk of the folder."""
    if shutil.disk_usage(_folder()).free < RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(_folder()))


@contextmanager
def new_file(path: Path) -> Iterator[HashedFile]:
    """A file that appears under this name, durably, when the block ends, and not at all when it raises.

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
    _sync_folder()


@contextmanager
def new_folder(job_id: UUID) -> Iterator[Path]:
    """An empty folder for what the job puts together, gone when the block ends. Raises OSError."""
    _make_folder()
    with TemporaryDirectory(prefix=f"{job_id}.", suffix=UNFINISHED, dir=_folder()) as folder:
        yield Path(folder)


def pack(folder: Path, file: HashedFile, after_each: Callable[[], None]) -> None:
    """Write the files below the folder into a tar archive (POSIX.1-2001). Raises what ``after_each`` raises.

    Equal files make equal archives: owners and times are left out.
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
    """Of everything in the folder, whatever it is."""
    return sorted(path.name for path in _folder().iterdir()) if _folder().exists() else []


def remove(some: Collection[str]) -> None:
    """Remove what ``names`` has told. Raises OSError."""
    for path in (_folder() / name for name in some):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    home: Path = settings.CC_HOME
    return home / "exports"


def _make_folder() -> None:
    _folder().mkdir(mode=0o700, exist_ok=True)
    _folder().chmod(0o700)


def _sync_folder() -> None:
    descriptor = os.open(_folder(), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
