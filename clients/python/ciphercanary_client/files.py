"""Files that appear as a whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

StrPath = str | os.PathLike[str]

PUBLIC, PRIVATE = 0o666, 0o600  # permissions before the umask
BLOCK_SIZE = 256 * 1024


@contextmanager
def replacing(target: StrPath, mode: int) -> Iterator[IO[bytes]]:
    """A file that replaces ``target`` if the block succeeds. After an error, ``target`` is as before.

    The data is on the disk before the name changes. Until then the file has a hidden name in the same folder.
    """
    path = Path(target)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def opened(source: StrPath) -> IO[bytes]:
    """A file to read. Raises ValueError for a pipe or a device, which cannot be read twice."""
    path = Path(source)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file.")
    return path.open("rb")


def size_of(source: StrPath) -> int:
    """The size of a file in bytes."""
    return Path(source).stat().st_size
