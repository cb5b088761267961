"""Uploads: a request streams a file to the disk, and ends as a job."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Final, final
from uuid import UUID, uuid4

from django.conf import settings
from msgspec import Struct
from msgspec.structs import asdict, replace

from accounts.principals import Principal
from audit.commit.decisions import Decision, Ready
from crypto_ops import actions
from crypto_ops.deciding.context import DecisionContext
from crypto_ops.deciding.services import COMPARISON, CommitWithChange, perform
from crypto_ops.errors import FileNotStored, StreamCut
from crypto_ops.files import storage
from crypto_ops.files.multipart import OVERHEAD, FilePart
from crypto_ops.files.services import bytes_left, event_of, quota_exceeded, require_room
from crypto_ops.models import MAX_FILE_NAME, FileJob, FileOperation
from crypto_ops.streaming.services.decisions import StreamDecryption, StreamEncryption
from crypto_ops.streaming.services.streams import Stream, one_more_stream
from kernel.crypto.errors import MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.sealing.data_key_stream import MAX_HEADER_SIZE, AnyHeader, key_id_at_start, read_header
from kernel.crypto.sealing.stream import NO_STREAM, StreamSealer, UploadCipher, sealed_size
from kernel.identities import Identity
from kernel.jobs import delivery
from kernel.jobs.job import requester_columns
from kernel.runtime import ProcessState
from kernel.trust import kek

_KEY_SIZE: Final = 32  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """The operation on a file. ``key_id``: of an encryption; a file to decrypt names its key itself."""

    operation: FileOperation
    key_id: UUID | None = None
    aad: bytes = b""
    name: str = ""


@final
class Upload(Stream):
    """Stores the body, and then inserts the job. Its response is ``render`` of the job.

    ``part``: finds the file in a form; without it, the body is the file. Raises Denied, NotFound, KeyNotActive,
    KeyNotUsable, FileQuotaExceeded, FileNotStored, MalformedCiphertext, Invalid.
    """

    waits = True

    def __init__(
        self,
        principal: Principal,
        order: FileRequest,
        *,
        render: Callable[[FileJob], bytes],
        part: FilePart | None = None,
    ) -> None:
        super().__init__(principal, order.aad)
        self.job_id = uuid4()
        self.key_id = order.key_id
        self._order, self._render, self._part = order, render, part
        self._beginning = b""
        self._header: AnyHeader | None = None
        self._response = b""
        principal.require(order.operation.permission)
        self._left = bytes_left(principal.identity)
        self.check()
        self._key = KeyMaterial.generate(_KEY_SIZE)
        self._sealer: StreamSealer | None = None
        if order.operation is FileOperation.ENCRYPT:
            self._sealer = UploadCipher(self._key, self.job_id).sealer()
        with ExitStack() as resources:
            resources.enter_context(one_more_stream(principal))
            self._arriving = resources.enter_context(_arriving.current.of(principal.identity.budget))
            self._storing = resources.enter_context(closing(_StoredUpload(self.job_id)))
            self._resources = resources.pop_all()

    def write(self, octets: bytes) -> bytes:
        if self._part is not None:
            octets = self._part.feed(octets)
        self._size += len(octets)
        is_beginning = self._sealer is None and self.key_id is None
        if is_beginning:
            self._beginning += octets[:MAX_HEADER_SIZE]
        if self._arriving.add(len(octets)) > self._left:
            raise quota_exceeded()
        if is_beginning:
            self._read_header()
        self._storing.write(octets if self._sealer is None else self._sealer.update(octets))
        return b""

    def check(self) -> None:
        if self.key_id is not None:
            perform(self._operation(self.key_id), self._principal, COMPARISON)

    def finish(self) -> Iterator[bytes]:
        if self._part is not None:
            self._part.require_complete()
        if self.key_id is None:
            raise MalformedCiphertext(NO_STREAM)
        if self._sealer is not None:
            self._storing.write(self._sealer.finish())
        self._storing.complete()
        job = self._job(self.key_id)
        try:
            perform(
                _FileJobRequest(self._operation(job.key_id), job),
                self._principal,
                _Submission(self._principal.identity, None if self._sealer is None else self._key),
            )
        except BaseException:
            self._storing.remove()
            raise
        self._response = self._render(job)
        return iter([self._response])

    def response_size(self, body_size: int | None) -> int | None:  # noqa: ARG002 - the response describes the job
        return len(self._response)

    @property
    def named_key(self) -> UUID | None:
        return self.key_id or key_id_at_start(self._beginning)

    @property
    def max_body(self) -> int:
        most: int = settings.CC_MAX_STREAM_BYTES
        if self._order.operation is FileOperation.DECRYPT:
            most = sealed_size(most)
        return most if self._part is None else most + OVERHEAD

    def _read_header(self) -> None:
        """Once the beginning has arrived, the key that it names. Raises MalformedCiphertext and refusals."""
        self._header = read_header(self._beginning)
        if self._header is not None:
            self.key_id = self._header.key_id
            self.check()

    def _operation(self, key_id: UUID) -> StreamDecryption | StreamEncryption:
        if self._header is not None:
            return StreamDecryption(self._header, self._aad)
        return StreamEncryption(key_id)

    def _job(self, key_id: UUID) -> FileJob:
        name = self._order.name or (self._part.name if self._part else "")
        return FileJob(
            **requester_columns(asdict(self._principal.actor)),
            id=self.job_id,
            operation=self._order.operation,
            key_id=key_id,
            aad=self._aad,
            name=_plain_name(name),
            upload_size=self._size,
            total=self._size,
            unit="bytes",
        )


class _FileJobRequest(Struct, frozen=True):
    """Callers may request the job if they may begin its operation."""

    operation: StreamDecryption | StreamEncryption
    job: FileJob

    def decide(self, context: DecisionContext) -> Decision[FileJob]:
        event = event_of(self.job, actions.FILE_REQUESTED, size=self.job.upload_size)
        return Ready(replace(self.operation.decide(context).grounds, event=event), result=self.job)


class _Submission(CommitWithChange[FileJob]):
    """``key``: of the stored upload; None if the file stays encrypted."""

    def __init__(self, requester: Identity, key: KeyMaterial | None) -> None:
        self._requester, self._key = requester, key

    def change(self, job: FileJob) -> None:
        require_room(self._requester, job.upload_size)
        if self._key is not None:
            kek.wrap_into(job, self._key)
        delivery.submit(job)


class _Arriving:
    """The bytes of the uploads that are arriving in this process, by caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes: Counter[str] = Counter()

    @contextmanager
    def of(self, caller: str) -> Iterator["_ArrivingUpload"]:
        upload = _ArrivingUpload(self, caller)
        try:
            yield upload
        finally:
            self.add(caller, -upload.size)

    def add(self, caller: str, size: int) -> int:
        """Count ``size`` more bytes. Returns the bytes of all uploads of the caller."""
        with self._lock:
            self._bytes[caller] += size
            total = self._bytes[caller]
            self._bytes += Counter()  # removes callers without uploads
        return total


class _ArrivingUpload:
    def __init__(self, all_uploads: _Arriving, caller: str) -> None:
        self._all, self._caller, self.size = all_uploads, caller, 0

    def add(self, size: int) -> int:
        self.size += size
        return self._all.add(self._caller, size)


_arriving = ProcessState(_Arriving)


class _StoredUpload:
    """A new file for an upload. Raises FileNotStored."""

    def __init__(self, job_id: UUID) -> None:
        self._path = storage.upload_path(job_id)
        self._unfinished = ExitStack()
        try:
            self._file = self._unfinished.enter_context(storage.FOLDER.new_file(self._path, hashes=False))
        except OSError:
            raise FileNotStored from None

    def write(self, octets: bytes) -> None:
        try:
            self._file.write(octets)
        except OSError:
            raise FileNotStored from None

    def complete(self) -> None:
        """The file appears durably under its name."""
        try:
            self._unfinished.close()
        except OSError:
            raise FileNotStored from None

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Discard the file unless it is complete."""
        error = StreamCut()
        self._unfinished.__exit__(type(error), error, None)


def _plain_name(name: str) -> str:
    """The last part of the name that a browser or client sent, without characters that are not printed."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:MAX_FILE_NAME]
