"""The place of the archive (``CC_AUDIT_ARCHIVE``): a folder, or a bucket of S3 (``audit.archive.buckets``)."""

import errno
import os
import re
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from django.conf import settings

from kernel import home
from kernel.errors import Conflict, Invalid

MOST_FILE_BYTES: Final = 2**28  # of a file; 65,536 entries take about 4 MB
_URL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|[sS]3:")
# No part of the prefix begins with a dot: programs on the way to the bucket would resolve "..".
_BUCKET: Final = re.compile(
    r"s3://(?P<name>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[a-zA-Z0-9_!*()=-][a-zA-Z0-9_!*()=.-]*)*)/?"
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """``version_id`` is that of the object in a bucket with versions, and empty elsewhere."""

    content: bytes
    version_id: str = ""


class Place(Protocol):
    """The files of segments. No file is ever replaced."""

    def read(self, name: str, version_id: str = ...) -> StoredFile:
        """The file in this version; without one, in its newest.

        Raises FileNotFoundError, Conflict without its folder, Unavailable, and OSError, also for anything but a file of
        at most ``MOST_FILE_BYTES``.
        """

    def add(self, name: str, content: bytes) -> str:
        """Store a new file durably. Returns its version. Raises FileExistsError, OSError and Unavailable."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with files of mode 0600. They have no versions. Its parent must exist: a disk may not be mounted."""

    path: Path

    def read(self, name: str, version_id: str = "") -> StoredFile:  # noqa: ARG002 - the same for each place
        if not self.path.is_dir():
            raise Conflict(
                "There is no such folder. Check CC_AUDIT_ARCHIVE, and whether its disk is mounted."
            )
        with os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_FILE_BYTES:
                raise OSError(errno.EINVAL, "it is not a file, or too large", name)
            return StoredFile(file.read(MOST_FILE_BYTES))

    def add(self, name: str, content: bytes) -> str:
        self.path.mkdir(mode=0o700, exist_ok=True)
        home.remove_leftovers(self.path)
        home.create_private_file(self.path / name, content)
        return ""


def configured_place() -> Place:
    """Raises Conflict if there is none, and what ``bucket_of`` raises."""
    if not settings.CC_AUDIT_ARCHIVE:
        raise Conflict("There is no archive. Set CC_AUDIT_ARCHIVE to a folder or a bucket.")
    if not (bucket := bucket_of(settings.CC_AUDIT_ARCHIVE)):
        return Folder(Path(settings.CC_AUDIT_ARCHIVE))
    from audit.archive.buckets import Bucket  # noqa: PLC0415 - it loads boto3, which takes 0.3 seconds

    name, prefix = bucket
    return Bucket(name, prefix, settings.CC_AUDIT_ARCHIVE_ENDPOINT)


def bucket_of(address: str) -> tuple[str, str] | None:
    """The bucket and the prefix of its objects, such as "log/"; None for a folder.

    Raises Invalid for another URL, and Conflict if boto3 is missing. The error does not show the URL, which may contain
    a password.
    """
    if not _URL.match(address):
        return None
    if not (found := _BUCKET.fullmatch(address)):
        raise Invalid("CC_AUDIT_ARCHIVE must be a folder, or a URL such as s3://bucket/prefix.")
    if not find_spec("boto3"):
        raise Conflict("An archive in a bucket needs boto3. Install it with pip install .[s3].")
    return found["name"], f"{found['prefix']}/".removeprefix("/")
