"""Storage for ciphertext until its stream is complete. Plaintext is never stored."""

import shutil
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, Protocol

from django.conf import settings

from crypto_ops.errors import SpoolNotWritten
from kernel.home import RESERVE

IN_MEMORY: Final = 1024 * 1024  # bytes; larger contents go to the disk
_READ_SIZE: Final = 1024 * 1024


class AnySpool(Protocol):
    """Ciphertext that is written first, and then read from the start."""

    def write(self, octets: bytes) -> None: ...
    def rewind(self, start: int = 0) -> None: ...
    def read(self) -> bytes: ...
    def close(self) -> None: ...


class StoredFile:
    """A spool over a file that has the ciphertext already, so ``write`` does nothing. The caller closes the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, octets: bytes) -> None:
        pass

    def rewind(self, start: int = 0) -> None:
        self._file.seek(start)

    def read(self) -> bytes:
        return self._file.read(_READ_SIZE)

    def close(self) -> None:
        pass


class Spool:
    """Written first, then read from the start. In memory up to ``IN_MEMORY``, then in a file in ``CC_HOME/spool``.

    The file has no name (``O_TMPFILE``, mode 0600), so nothing of it remains, however the process ends.
    """

    def __init__(self) -> None:
        self.size = 0
        self._folder = _folder()
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115 - ``close`` closes it
            max_size=IN_MEMORY, dir=str(self._folder)
        )

    def write(self, octets: bytes) -> None:
        """Raises SpoolNotWritten."""
        self.size += len(octets)
        try:
            if self.size > IN_MEMORY:
                _require_room(self._folder)
            self._file.write(octets)
        except OSError:
            raise SpoolNotWritten from None

    def rewind(self, start: int = 0) -> None:
        """Switch to reading, from ``start``. Raises SpoolNotWritten if the disk has no room for the last bytes."""
        try:
            self._file.seek(start)
        except OSError:
            raise SpoolNotWritten from None

    def read(self) -> bytes:
        """The next ``_READ_SIZE`` bytes, or fewer at the end; b"" after it."""
        return self._file.read(_READ_SIZE)

    def close(self) -> None:
        self._file.close()


def _folder() -> Path:
    folder: Path = settings.CC_HOME / "spool"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        raise SpoolNotWritten from None
    return folder


def _require_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < RESERVE:
        raise SpoolNotWritten
