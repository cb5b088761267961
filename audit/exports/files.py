"""The folder of exports, and the tar file of one."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kernel.jobs.files import HashedFile, JobFolder

_ARCHIVE_ROOT: Final = "audit-log"
NAME: Final = "exports"
FOLDER: Final = JobFolder(NAME)


def pack(folder: Path, file: HashedFile, after_each: Callable[[], None]) -> None:
    """Write the files below the folder to a tar archive (POSIX.1-2001). Raises what ``after_each`` raises.

    Owners and times are left out, so equal files give equal archives.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with tarfile.open(  # type: ignore[call-overload]  # as a stream it only writes
        fileobj=file, mode="w|", format=tarfile.PAX_FORMAT
    ) as archive:
        for path in paths:
            member = tarfile.TarInfo(f"{_ARCHIVE_ROOT}/{path.relative_to(folder)}")
            member.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(member, content)
            after_each()
