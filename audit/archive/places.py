"""The place of the archive: a folder (``CC_AUDIT_ARCHIVE``)."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from kernel import home
from kernel.errors import Conflict

_MOST_BYTES: Final = 2**28  # 65,536 entries take about 4 MB


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of segments, each 0600. No file is ever replaced."""

    path: Path

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, and OSError, also for anything but a file of at most ``_MOST_BYTES``."""
        with os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                raise OSError(errno.EINVAL, "it is not a file, or too large", name)
            return file.read(_MOST_BYTES)

    def add(self, name: str, content: bytes) -> None:
        """Write a new file durably. Raises FileExistsError and OSError."""
        home.create_private_folder(self.path)
        home.remove_leftovers(self.path)
        home.create_private_file(self.path / name, content)


def configured_place() -> Folder:
    """Raises Conflict if there is none."""
    if not settings.CC_AUDIT_ARCHIVE:
        raise Conflict("There is no archive. Set CC_AUDIT_ARCHIVE to a folder.")
    return Folder(Path(settings.CC_AUDIT_ARCHIVE))
