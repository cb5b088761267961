"""The task that encrypts or verifies an uploaded file, and the removal of files that are no longer needed.

``crypto_ops.apps`` registers both.
"""

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from msgspec.structs import replace

from accounts.holders import require_permitted
from accounts.principals import ROLES_ENTITY, Principal
from audit.log.events import Actor, Source
from audit.services.jobs import record_end
from crypto_ops import actions
from crypto_ops.errors import FileNotStored
from crypto_ops.files import storage
from crypto_ops.files.copying import write_all
from crypto_ops.files.services import event_of, require_key_of
from crypto_ops.models import FileJob, FileOperation
from crypto_ops.streaming.services.spool import StoredFile
from crypto_ops.streaming.services.streams import Decryption, Encryption
from kernel.clock import database_now
from kernel.crypto.sealing.stream import UploadCipher
from kernel.freshness.epoch import read_stamp
from kernel.jobs.job import UNFINISHED, Status
from kernel.jobs.progress import Progress
from kernel.trust import kek

KIND: Final = "file"
_LEFTOVER_SECONDS: Final = 600  # an upload that does not continue ends much earlier

type _Columns = Mapping[str, object]


def run(job: FileJob, progress: Progress) -> _Columns:
    """Encrypt or verify the upload. Returns the columns of the result.

    Raises FileNotStored, VersionConflict if the key was rotated meanwhile, refusals of the encryption or decryption,
    IntegrityFailed for an altered job, and what ``progress`` raises. Nothing of a result remains after an error.
    """
    job.check_mac()
    transform = _encrypt if job.operation == FileOperation.ENCRYPT else _verify
    try:
        result = transform(job, _requester_of(job), progress)
    except OSError as error:
        raise FileNotStored from error
    return {**result, "expires_at": database_now() + timedelta(hours=settings.CC_FILE_HOURS)}


def ended(job: FileJob) -> None:
    """Record how the job ended, and remove its files except the result."""
    result = storage.result_name(job.id, job.attempt) if job.status == Status.SUCCEEDED else ""
    transaction.on_commit(partial(_remove_files, job.id, result))
    if job.wrapped:
        FileJob.objects.filter(pk=job.pk).update(wrapped=b"", kek_id="")  # noqa: CC3 - erases the key of an upload
    requester = Actor(**job.actor_facts) if job.is_authentic else Actor.system(KIND, Source.SCHEDULER)
    actor = replace(requester, source=Source.SCHEDULER)
    record_end(
        job,
        actor,
        finished=event_of(job, actions.FILE_FINISHED, size=job.size),
        failed=event_of(job, actions.FILE_FAILED),
    )


def delete_expired_files() -> None:
    """Remove the files of expired jobs, and what killed processes left. Raises OSError."""
    found = storage.FOLDER.names()
    # Read after the folder, so that the rows include every job that succeeded in between.
    unfinished = FileJob.objects.filter(status__in=UNFINISHED).values_list("id", flat=True)
    results = FileJob.objects.filter(expires_at__gt=database_now()).values_list("id", "attempt")
    needed = {str(job_id) for job_id in unfinished}
    kept = {storage.result_name(job_id, attempt) for job_id, attempt in results}
    outdated = [name for name in found if name not in kept and name.partition(".")[0] not in needed]
    storage.FOLDER.remove([name for name in outdated if _is_old(storage.FOLDER.path / name)])


def _requester_of(job: FileJob) -> Principal:
    """The requester with their current rights. Raises Denied."""
    # Read the stamp before the rows, so that any later change makes the principal stale.
    stamp = read_stamp(job.requester.entity, ROLES_ENTITY)
    holder = require_permitted(job.requester, FileOperation(job.operation).permission)
    return Principal(
        actor=Actor(**job.actor_facts),
        identity=holder.identity,
        rights=holder.rights,
        permissions=holder.permissions,
        stamp=stamp,
    )


def _encrypt(job: FileJob, requester: Principal, progress: Progress) -> _Columns:
    attempt = secrets.token_hex(8)
    opener = UploadCipher(kek.unwrap_row(job), job.id).opener()

    def plaintext(file: BinaryIO) -> Iterator[bytes]:
        for block in storage.blocks(file):
            yield opener.update(block)
        yield opener.finish()

    with (
        storage.upload_path(job.id).open("rb") as upload,
        storage.FOLDER.new_file(storage.result_path(job.id, attempt)) as result,
        Encryption(requester, key_id=job.key_id, aad=bytes(job.aad), is_limited=False) as stream,
    ):
        write_all(stream, plaintext(upload), result, progress)
        for rest in stream.finish():
            result.write(rest)
    return {
        "attempt": attempt,
        "size": result.size,
        "sha256": result.sha256,
        "key_version": stream.version,
    }


def _verify(job: FileJob, requester: Principal, progress: Progress) -> _Columns:
    digest = hashlib.sha256()
    with (
        storage.upload_path(job.id).open("rb") as upload,
        Decryption(
            requester, aad=bytes(job.aad), spool=StoredFile(upload), digest=digest, is_limited=False
        ) as stream,
    ):
        write_all(stream, storage.blocks(upload), _Nowhere(), progress)
        require_key_of(job, stream.key_id)
        stream.finish()
    return {"size": stream.size, "sha256": digest.hexdigest(), "key_version": stream.version}


class _Nowhere:
    def write(self, octets: bytes) -> None:
        pass


def _remove_files(job_id: UUID, result: str) -> None:
    for path in storage.FOLDER.path.glob(f"{job_id}.*"):
        if path.name != result:
            path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    """Whether the file belongs to no upload that is still arriving."""
    try:
        return time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS
    except FileNotFoundError:
        return False
