"""Where ciphertext waits until the rest of its stream is there. Plaintext never does."""

import shutil
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Final

from django.conf import settings

from crypto_ops.errors import SpoolNotWritten
from kernel.home import RESERVE

IN_MEMORY: Final = 1024 * 1024  # bytes; what is larger goes to the disk
READ_SIZE: Final = 1024 * 1024


class Spool:
    """Written first, then read from its beginning. In memory up to ``IN_MEMORY``, then in a file in ``CC_HOME/spool``.

    The file has no name (``O_TMPFILE``, mode 0600), so whenever and however the process ends, nothing of it is left.
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
        """From here on it is read, from ``start``. Raises SpoolNotWritten, where the last bytes found no room."""
        try:
            self._file.seek(start)
        except OSError:
            raise SpoolNotWritten from None

    def read(self) -> bytes:
        """The next bytes, ``READ_SIZE`` of them where there are so many; b"" at the end."""
        return self._file.read(READ_SIZE)

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
