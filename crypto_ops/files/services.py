"""File jobs: list and cancel them, and open their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from msgspec import Struct
from msgspec.structs import replace

from accounts.principals import Principal
from audit.commit.decisions import Decision
from audit.log.events import Event
from audit.services.recording import record
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import perform
from crypto_ops.errors import FileQuotaExceeded
from crypto_ops.files import storage
from crypto_ops.files.decrypted import DecryptedFile
from crypto_ops.models import READ_PERMISSION, FileJob, FileOperation
from crypto_ops.streaming.services.decisions import OpenStream, StreamDecryption
from kernel.clock import database_now
from kernel.crypto.errors import MalformedCiphertext
from kernel.crypto.sealing.data_key_stream import MAX_HEADER_SIZE, AnyHeader, read_header
from kernel.crypto.sealing.stream import NO_STREAM
from kernel.databases.rows import first_of, is_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import NotFound
from kernel.freshness.epoch import require_current
from kernel.identities import Identity
from kernel.jobs import delivery
from kernel.jobs.errors import NoResult, ResultGone, ResultMissing
from kernel.jobs.job import UNFINISHED, Status
from kernel.trust.row_mac import IntegrityFailed

OBJECT_TYPE: Final = "file"
_NOUN: Final = "file job"
_MAX_JOBS: Final = 200  # of one user or service account: unfinished, or with a file that is kept
_SUFFIX: Final = ".cc"
_LOCK: Final = int.from_bytes(b"cc-files")  # our key among PostgreSQL's advisory locks, a bigint


@dataclass(frozen=True, slots=True)
class _FileResult:
    """The content of a finished job: ``size`` bytes, and the name for the download."""

    job: FileJob
    name: str

    @property
    def size(self) -> int:
        return self.job.size or 0


def find_files(*, principal: Principal) -> QuerySet[FileJob]:
    """The jobs that the caller may see, newest first. Raises Denied."""
    found = FileJob.objects.within_reach_of(principal, READ_PERMISSION)
    return found.select_related("key").order_by("-created_at", "id")


def find_file(*, principal: Principal, job_id: UUID) -> FileJob:
    """Raises Denied, NotFound, IntegrityFailed."""
    return first_of(find_files(principal=principal).filter(pk=job_id)).check_mac()


def cancel_file(*, principal: Principal, job_id: UUID) -> FileJob:
    """Cancel an unfinished job. A running one stops within about a second. Raises Denied, NotFound, Conflict."""
    job = _usable(principal, job_id)
    with transaction.atomic():
        delivery.cancel(job)
        record(event_of(job, actions.FILE_CANCELLED), principal.actor)
        require_current(principal.stamp)
    return job


def find_result(*, principal: Principal, job_id: UUID) -> _FileResult:
    """The result. Raises Denied, NotFound, NoResult before it is finished, ResultGone after it has expired.

    Raises ResultMissing if another server has it.
    """
    job = _usable(principal, job_id)
    if job.status != Status.SUCCEEDED:
        raise NoResult(_NOUN, job.status)
    if not job.is_kept(database_now()):
        raise ResultGone(_NOUN)
    if not storage.result_path(job.id, job.attempt).exists():
        raise ResultMissing(_NOUN, storage.NAME)
    return _FileResult(job, _name_of(job))


def may_show_in_console(job: FileJob) -> bool:
    """Whether pages may offer the result: ``CC_CONSOLE_DECRYPT`` can keep plaintexts out of the browser."""
    return job.operation == FileOperation.ENCRYPT or settings.CC_CONSOLE_DECRYPT


def open_result(*, principal: Principal, result: _FileResult) -> BinaryIO | DecryptedFile:
    """The content, after recording the download.

    Raises Denied, KeyNotUsable, ResultMissing, AuditUnavailable, StaleDecision.
    """
    job = result.job
    try:
        file = storage.result_path(job.id, job.attempt).open("rb")
    except FileNotFoundError:
        raise ResultMissing(_NOUN, storage.NAME) from None
    try:
        if job.operation == FileOperation.ENCRYPT:
            with transaction.atomic(durable=True):
                record(_download_of(job), principal.actor)
                require_current(principal.stamp)
            return file
        header = _header_of(file, job)
        download = _Download(job, header)
        opener = perform(download, principal)()
        return DecryptedFile(file, opener, download, principal)
    except BaseException:
        file.close()
        raise


def bytes_left(requester: Identity) -> int:
    """The bytes that the requester may still upload. Raises FileQuotaExceeded if none are left."""
    kept = Q(status__in=UNFINISHED) | Q(status=Status.SUCCEEDED.value, expires_at__gt=database_now())
    own = FileJob.objects.filter(kept, is_of(requester, user="created_by"))
    used = own.aggregate(jobs=Count("pk"), bytes=Sum("upload_size", default=0))
    left: int = settings.CC_FILE_QUOTA_BYTES - used["bytes"]
    if used["jobs"] >= _MAX_JOBS or left <= 0:
        raise quota_exceeded()
    return left


def require_room(requester: Identity, size: int) -> None:
    """For the rest of the transaction, no other upload of this requester counts. Raises FileQuotaExceeded."""
    wait_for_lock(_LOCK)  # otherwise concurrent uploads would not see each other
    if size > bytes_left(requester):
        raise quota_exceeded()


def quota_exceeded() -> FileQuotaExceeded:
    return FileQuotaExceeded(_MAX_JOBS, settings.CC_FILE_QUOTA_BYTES)


def event_of(job: FileJob, action: str, **facts: Any) -> Event:
    """An event about a job. The name of the file stays out of it."""
    meta: Mapping[str, object] = {"operation": job.operation, "key_id": str(job.key_id)}
    return Event(action=action, object_type=OBJECT_TYPE, object_id=str(job.id), meta=meta, **facts)


def _header_of(file: BinaryIO, job: FileJob) -> AnyHeader:
    """The header, which is also skipped. Raises MalformedCiphertext, and IntegrityFailed for another key."""
    header = read_header(file.read(MAX_HEADER_SIZE))
    if header is None:
        raise MalformedCiphertext(NO_STREAM)
    require_key_of(job, header.key_id)
    file.seek(header.size)
    return header


def require_key_of(job: FileJob, key_id: UUID | None) -> None:
    """Raises IntegrityFailed if the file of a job was replaced by one of another key."""
    if key_id != job.key_id:
        raise IntegrityFailed("The file of a job was changed outside the application. Start a new job.")


def _usable(principal: Principal, job_id: UUID) -> FileJob:
    """A job that the caller may cancel and whose result they may have. Raises Denied, NotFound, IntegrityFailed."""
    job = find_file(principal=principal, job_id=job_id)
    scope = principal.scope(FileOperation(job.operation).permission)
    if scope != "all" and job.requester != principal.identity:
        raise NotFound
    return job


def _name_of(job: FileJob) -> str:
    if job.operation == FileOperation.ENCRYPT:
        return f"{job.name or job.id}{_SUFFIX}"
    return job.name.removesuffix(_SUFFIX) or str(job.id)


def _download_of(job: FileJob) -> Event:
    return event_of(job, actions.FILE_DOWNLOADED, size=job.size)


class _Download(Struct, frozen=True):
    job: FileJob
    header: AnyHeader

    def decide(self, context: DecisionContext) -> Decision[OpenStream]:
        opening = StreamDecryption(self.header, bytes(self.job.aad), self.job.size or 0)
        decision = opening.decide(context)
        return replace(decision, grounds=replace(decision.grounds, event=_download_of(self.job)))
