"""The folder of uploads and results."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from kernel.jobs.files import JobFolder

NAME: Final = "files"
FOLDER: Final = JobFolder(NAME)
BLOCK: Final = 512 * 1024  # bytes, which fit into the cache of a core
_UPLOAD: Final = "upload"


def upload_path(job_id: UUID) -> Path:
    return FOLDER.path / f"{job_id}.{_UPLOAD}"


def result_path(job_id: UUID, attempt: str) -> Path:
    """Raises IntegrityFailed for an invalid attempt. ``attempt`` is empty for the result of a decryption."""
    return FOLDER.path_of(job_id, attempt, "result") if attempt else upload_path(job_id)


def result_name(job_id: UUID, attempt: str) -> str:
    """The name of that file. An altered attempt names none."""
    return f"{job_id}.{attempt}.result" if attempt else upload_path(job_id).name


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of the file, ``BLOCK`` bytes at a time."""
    while octets := file.read(BLOCK):
        yield octets
