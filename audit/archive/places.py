"""The place of the archive: a folder (``CC_AUDIT_ARCHIVE``)."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from kernel import home
from kernel.errors import Conflict


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of segments, each 0600. No file is ever replaced."""

    path: Path

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, and OSError."""
        return (self.path / name).read_bytes()

    def add(self, name: str, content: bytes) -> None:
        """Write a new file durably. Raises FileExistsError and OSError."""
        home.create_private_folder(self.path)
        home.create_private_file(self.path / name, content)


def configured_place() -> Folder:
    """Raises Conflict if there is none."""
    if not settings.CC_AUDIT_ARCHIVE:
        raise Conflict("There is no archive. Set CC_AUDIT_ARCHIVE to a folder.")
    return Folder(Path(settings.CC_AUDIT_ARCHIVE))
