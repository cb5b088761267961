"""The tables of the jobs of this app."""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.principals import Principal
from kernel.databases.rows import is_of
from kernel.jobs.job import Job, JobRecord, Status
from kernel.labels import MAX_REASON
from kernel.trust.row_mac import MacField, MacProtectedRow
from kernel.trust.wrapped_row import SYSTEM_LABEL, Binding, WrappedRow
from keys.models import Key

READ_PERMISSION = "operations.read"
MAX_FILE_NAME = 255  # as in most file systems


class FileOperation(StrEnum):
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"

    @property
    def permission(self) -> str:
        return f"crypto.{self.value}"


class KeyJobQuerySet[J: JobRecord](models.QuerySet[J]):
    def within_reach_of(self, principal: Principal, permission: str) -> Self:
        """The jobs with keys that exist for the principal: all of them, or the principal's own. Raises Denied."""
        found = self.filter(key__in=Key.objects.within_reach_of(principal).order_by())
        if principal.scope(permission) == "all":
            return found
        return found.filter(is_of(principal.identity, user="created_by"))


class Reencryption(MacProtectedRow, Job):
    """A job that re-encrypts the ciphertexts of ``key`` under the primary version of ``target_key``.

    A client sends the ciphertexts, so there is no worker: the job runs until the client completes it.
    ``done`` counts all items, of which ``current`` were under the target version already and ``refused`` failed.
    ``versions`` has the number of re-encrypted and of refused items by source version. ``reason``: as in
    ``ReencryptRequest`` of ``crypto_ops.reencryption``.
    """

    MAC_LABEL: ClassVar[str] = "reencryptions"

    key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    target_key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    current = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    versions = models.JSONField(default=dict)

    objects = KeyJobQuerySet["Reencryption"].as_manager()  # type: ignore[misc]  # instead of the plain manager of the base

    class Meta(Job.Meta):
        db_table = "reencryptions"
        verbose_name = "re-encryption"
        constraints = [
            models.CheckConstraint(
                condition=Q(current__gte=0, refused__gte=0), name="reencryptions_counts_are_not_negative"
            ),
        ]

    @property
    def reencrypted(self) -> int:
        return self.done - self.current - self.refused

    def counts_of(self, version: int) -> Mapping[str, int]:
        """The number of re-encrypted and of refused items of a source version."""
        counts: Mapping[str, int] = self.versions.get(str(version), {})
        return {"reencrypted": 0, "refused": 0, **counts}

    def mac_fields(self) -> tuple[MacField, ...]:
        """The columns on which a page depends. The progress is displayed only, and each page changes it."""
        return (self.id, self.key_id, self.target_key_id, self.reason, self.created_by, self.actor_id)


class FileJob(MacProtectedRow, WrappedRow, Job):
    """A job that encrypts or decrypts an uploaded file. ``crypto_ops.files`` has the files.

    ``upload_size`` is in bytes. ``wrapped`` is the key that protects the upload of an encryption
    until the job ends. The result: ``size`` in bytes and ``sha256`` (hex) of the content, ``key_version``, and until
    when the server keeps it. ``attempt`` is part of the name of an encrypted file.
    """

    MAC_LABEL: ClassVar[str] = "file_jobs"

    operation = models.CharField(max_length=7, choices=[(word.value, word.value) for word in FileOperation])
    key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    aad = models.BinaryField(default=b"")
    name = models.CharField(max_length=MAX_FILE_NAME, blank=True)
    upload_size = models.BigIntegerField()
    key_version = models.PositiveIntegerField(null=True)
    size = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    attempt = models.CharField(max_length=16, blank=True)
    expires_at = models.DateTimeField(null=True, db_index=True)

    objects = KeyJobQuerySet["FileJob"].as_manager()  # type: ignore[misc]  # likewise

    class Meta(Job.Meta):
        db_table = "file_jobs"
        verbose_name = "file"
        constraints = [
            models.CheckConstraint(
                condition=Q(operation__in=[word.value for word in FileOperation]),
                name="file_jobs_operation_is_known",
            ),
            models.CheckConstraint(
                condition=Q(size__gte=0, key_version__isnull=False, expires_at__isnull=False) & ~Q(sha256="")
                | Q(
                    size__isnull=True,
                    key_version__isnull=True,
                    expires_at__isnull=True,
                    sha256="",
                    attempt="",
                ),
                name="file_jobs_result_is_complete",
            ),
        ]

    @property
    def binding(self) -> Binding:
        return Binding(SYSTEM_LABEL, [b"upload", self.id.bytes])

    def is_kept(self, now: datetime) -> bool:
        """Whether the result can still be downloaded."""
        return self.status == Status.SUCCEEDED and self.expires_at is not None and now < self.expires_at

    def mac_fields(self) -> tuple[MacField, ...]:
        """The request. A worker acts for the requester, and only on what the requester sent."""
        facts = (self.id, self.operation, self.key_id, bytes(self.aad), self.name, self.upload_size)
        requester = (
            self.created_by,
            self.actor_id,
            self.created_by_name,
            json.dumps(self.actor, sort_keys=True),
        )
        return (*facts, *requester)
