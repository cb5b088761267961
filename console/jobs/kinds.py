"""The kinds of jobs, as data: their pages differ in services, texts and one template only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.urls import reverse

from audit import actions as audit_actions
from audit.exports.downloads import download
from audit.exports.formats import FILE_TYPES
from audit.exports.task import KIND as EXPORT
from audit.models import EXPORT_PERMISSION
from audit.services import exports
from audit.verification import jobs as verifications
from console import actions
from console.key_encryption import rewraps
from console.key_encryption.services import PERMISSION
from crypto_ops import actions as crypto_actions
from crypto_ops.files import services as files
from crypto_ops.files import task as file_task
from crypto_ops.files.downloads import OCTETS
from crypto_ops.files.downloads import download as download_file
from crypto_ops.models import READ_PERMISSION as OPERATIONS_READ
from crypto_ops.models import Reencryption
from crypto_ops.reencryption.services import jobs as reencryptions
from crypto_ops.reencryption.services.reports import read_report
from kernel.jobs.job import JobRecord
from kernel.pages.curl import curl_of
from kernel.rules import Rule
from keys import actions as key_actions
from keys.rotation.services import jobs
from keys.rotation.services.jobs import READ_PERMISSION
from keys.rotation.task import KIND as ROTATION


def _of_all(remedy: str) -> Mapping[str, str]:
    """Explanations by error code. Other codes are shown unchanged."""
    return {
        "internal": "An unexpected error occurred. See the server log.",
        "gave_up": f"The job stopped after 5 attempts. Check the server log, then {remedy}.",
        "dependency_unavailable": f"The database was unavailable 5 times in a row. Check the database, then {remedy}.",
    }


_OF_EXPORTS: Final[Mapping[str, str]] = {
    **_of_all("start a new export"),
    "export_not_written": "The file could not be written. Check the free space and the permissions of CC_HOME.",
    "integrity_failed": "An entry or the latest checkpoint was altered. Run verify_audit_log.",
    "conflict": "An export as tiles needs a checkpoint, and the log has none yet. Try again in a moment.",
}
_OF_ROTATIONS: Final[Mapping[str, str]] = {
    **_of_all("rotate the other keys"),
    "integrity_failed": "The audit log has no request for this job, or it was altered. Run verify_audit_log.",
    "permission_denied": "The user who requested this job can no longer rotate keys.",
}
_OF_VERIFICATIONS: Final[Mapping[str, str]] = {
    **_of_all("start the verification again"),
    "integrity_failed": "The log or its keys were altered, so the verification could not run. Run verify_audit_log.",
}
_OF_REWRAPS: Final[Mapping[str, str]] = {
    **_of_all("start the job again"),
    "integrity_failed": "A key-encryption key is missing or wrong. See the page System.",
}
_OF_FILES: Final[Mapping[str, str]] = {
    **_of_all("upload the file again"),
    "file_not_stored": "The file could not be stored or read. Check the free space and the permissions of CC_HOME/files.",
    "integrity_failed": "The job was altered outside the application. Find out who changed the database.",
    "decryption_failed": "The file was altered, or its additional authenticated data differs. Nothing was decrypted.",
    "permission_denied": "The requester was disabled, or lost the permission.",
    "not_found": "The requester can no longer use this key.",
    "unsupported_algorithm": "The key, or its policy, does not allow AES-256-GCM.",
    "version_conflict": "The key was rotated during each of 5 attempts. Upload the file again.",
    "key_not_active": "The key can no longer encrypt. Choose another key.",
    "key_not_usable": "The key or its version can no longer decrypt.",
}


@dataclass(frozen=True, slots=True)
class _JobFile:
    """The file that a job of a kind produces. ``respond`` takes ``principal``, ``job_id`` and ``is_head``, and
    returns the HTTP response with it.
    """

    rule: Rule
    media_types: Sequence[str]
    respond: Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind, with the ``word`` of ``JobRecord.kind``. ``find_all(principal=)`` returns the jobs that
    the principal may see, and ``find`` and ``cancel`` take ``principal`` and ``job_id``.

    ``path`` begins the URLs of its pages, whose ``parameter`` is the id. ``template`` has the partials ``progress``,
    ``news`` (of a success), ``result`` and ``request``, and ``details`` returns what else they show.
    ``when_cancelled`` is the effect of cancelling, and ``failures`` explains error codes. ``file``: None without one.
    """

    word: str
    object_type: str
    url_name: str
    path: str
    parameter: str
    reading: Rule
    cancelling: Rule
    find_all: Callable[..., QuerySet[Any]]
    find: Callable[..., JobRecord]
    cancel: Callable[..., JobRecord]
    label: str
    noun: str
    measure: str
    when_cancelled: str
    template: str
    failures: Mapping[str, str]
    details: Callable[[Any, datetime], Mapping[str, Any]] = lambda _job, _now: {}
    file: _JobFile | None = None

    @property
    def cancel_url_name(self) -> str:
        return f"{self.url_name}-cancel"


def _calls_of(job: Reencryption) -> list[tuple[str, str]]:
    """The requests of the client of a job, as pairs of a label and a command."""
    path = reverse("reencryption", args=[job.id])
    item = {"ciphertext": "cc1…", "reference": "row 7"}
    return [
        ("Send ciphertexts", curl_of(f"{path}/pages", {"items": [item]})),
        ("Complete the job", curl_of(f"{path}/complete", {})),
    ]


_KINDS: Final = (
    JobKind(
        word=EXPORT,
        object_type="audit_export",
        url_name="job",
        path="jobs",
        parameter="job_id",
        reading=Rule(EXPORT_PERMISSION, audit_actions.EXPORT_READ),
        cancelling=Rule(EXPORT_PERMISSION, audit_actions.EXPORT_CANCELLED),
        find_all=exports.find_exports,
        find=exports.find_export,
        cancel=exports.cancel_export,
        label="Audit log export",
        noun="Export",
        measure="Entries written",
        when_cancelled="The export stops in a moment and its file is deleted.",
        template="jobs/export.html",
        failures=_OF_EXPORTS,
        details=lambda job, now: {"is_kept": job.is_kept(now)},
        file=_JobFile(
            rule=Rule(EXPORT_PERMISSION, audit_actions.EXPORT_DOWNLOADED),
            media_types=[kind.media_type for kind in FILE_TYPES.values()],
            respond=download,
        ),
    ),
    JobKind(
        word=verifications.KIND,
        object_type=verifications.KIND,
        url_name="verification",
        path="jobs/verifications",
        parameter="verification_id",
        reading=Rule(verifications.READ_PERMISSION, audit_actions.VERIFICATION_READ),
        cancelling=Rule(verifications.PERMISSION, audit_actions.VERIFICATION_CANCELLED),
        find_all=verifications.find_verifications,
        find=verifications.find_verification,
        cancel=verifications.cancel_verification,
        label="Full verification of the audit log",
        noun="Verification",
        measure="Entries verified",
        when_cancelled="The verification stops in a moment, without a result.",
        template="jobs/verification.html",
        failures=_OF_VERIFICATIONS,
    ),
    JobKind(
        word=ROTATION,
        object_type="key_rotation_job",
        url_name="rotation-job",
        path="jobs/rotations",
        parameter="rotation_job_id",
        reading=Rule(READ_PERMISSION, key_actions.ROTATION_JOB_READ),
        cancelling=Rule("keys.rotate", key_actions.ROTATION_JOB_CANCELLED),
        find_all=jobs.find_rotation_jobs,
        find=jobs.find_rotation_job,
        cancel=jobs.cancel_rotation_job,
        label="Key rotation",
        noun="Rotation",
        measure="Keys done",
        when_cancelled=(
            "The job stops after the current key. Rotated keys stay rotated, and the others do not change."
        ),
        template="jobs/rotation.html",
        failures=_OF_ROTATIONS,
        details=lambda job, _now: {"outcome": jobs.read_outcome(job)},
    ),
    JobKind(
        word=rewraps.KIND,
        object_type=rewraps.KIND,
        url_name="rewrap",
        path="jobs/rewraps",
        parameter="rewrap_id",
        reading=Rule(rewraps.READ_PERMISSION, actions.REWRAP_READ),
        cancelling=Rule(PERMISSION, actions.REWRAP_CANCELLED),
        find_all=rewraps.find_rewraps,
        find=rewraps.find_rewrap,
        cancel=rewraps.cancel_rewrap,
        label="Rewrap of all keys",
        noun="Rewrap",
        measure="Keys rewrapped",
        when_cancelled=(
            "The rewrap stops in a moment. Rewrapped keys stay under the primary key-encryption key, and the others "
            "stay usable."
        ),
        template="jobs/rewrap.html",
        failures=_OF_REWRAPS,
    ),
    JobKind(
        word=reencryptions.KIND,
        object_type=reencryptions.KIND,
        url_name="reencryption-job",
        path="jobs/reencryptions",
        parameter="reencryption_id",
        reading=Rule(OPERATIONS_READ, crypto_actions.REENCRYPTION_READ),
        cancelling=Rule(reencryptions.PERMISSION, crypto_actions.REENCRYPTION_CANCELLED),
        find_all=reencryptions.find_reencryptions,
        find=reencryptions.find_reencryption,
        cancel=reencryptions.cancel_reencryption,
        label="Re-encryption",
        noun="Re-encryption",
        measure="Items done",
        when_cancelled=(
            "The job accepts no more items. Re-encrypted data stays valid, and so does data that still uses old versions."
        ),
        template="jobs/reencryption.html",
        failures={},  # the client retries, so the job itself does not fail
        details=lambda job, _now: {"report": read_report(job), "calls": _calls_of(job)},
    ),
    JobKind(
        word=file_task.KIND,
        object_type=files.OBJECT_TYPE,
        url_name="file-job",
        path="jobs/files",
        parameter="file_id",
        reading=Rule(OPERATIONS_READ, crypto_actions.FILE_READ),
        cancelling=Rule("crypto.encrypt", crypto_actions.FILE_CANCELLED),
        find_all=files.find_files,
        find=files.find_file,
        cancel=files.cancel_file,
        label="File",
        noun="File job",
        measure="Bytes done",
        when_cancelled="The job stops in a moment, and the uploaded file is deleted.",
        template="jobs/file.html",
        failures=_OF_FILES,
        details=lambda job, now: {
            "is_kept": job.is_kept(now),
            "may_show": files.may_show_in_console(job),
        },
        file=_JobFile(
            rule=Rule("crypto.encrypt", crypto_actions.FILE_DOWNLOADED),
            media_types=[OCTETS],
            respond=download_file,
        ),
    ),
)
JOB_KINDS: Final[Mapping[str, JobKind]] = MappingProxyType({kind.word: kind for kind in _KINDS})
