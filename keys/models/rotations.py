"""The record of rotations, and the jobs that rotate many keys."""

import uuid
from enum import StrEnum
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.principals import Principal
from kernel.databases.random_uuid import RandomUUID
from kernel.identities import Identity
from kernel.jobs.job import Job
from kernel.labels import MAX_REASON
from keys.models.keys import Key


class RotationStatus(StrEnum):
    """A rotation by hand is completed at once. One of a job is pending until the job reaches its key.

    ``cancelled``: the job was cancelled, or the key was rotated otherwise before (``version_conflict``).
    """

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Selection(StrEnum):
    """Which keys a job rotates."""

    DUE = "due"
    KEYS = "keys"
    ALGORITHM = "algorithm"
    POLICY = "policy"


class KeyRotationJob(Job):
    """A job that rotates the selected active keys, one transaction each.

    ``algorithm`` or ``policy_id`` belongs to the selection of that kind. ``planned_at``: when all keys had a pending row.
    """

    selection = models.CharField(max_length=10, choices=[(word.value, word.value) for word in Selection])
    algorithm = models.CharField(max_length=50, blank=True)
    policy_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=MAX_REASON)
    planned_at = models.DateTimeField(null=True)

    class Meta(Job.Meta):
        db_table = "key_rotation_jobs"
        verbose_name = "key rotation job"
        constraints = [
            models.CheckConstraint(
                condition=Q(selection__in=[word.value for word in Selection]),
                name="key_rotation_jobs_selection_is_known",
            ),
            models.CheckConstraint(
                condition=(Q(selection=Selection.ALGORITHM.value) ^ Q(algorithm=""))
                & (Q(selection=Selection.POLICY.value) ^ Q(policy_id=None)),
                name="key_rotation_jobs_selection_has_its_value",
            ),
        ]


class KeyRotationQuerySet(models.QuerySet["KeyRotation"]):
    def visible_to(self, principal: Principal) -> Self:
        """The rotations of the keys that the principal may see."""
        return self.filter(old_key__in=Key.objects.visible_to(principal).order_by())

    def completed(self) -> Self:
        return self.filter(status=RotationStatus.COMPLETED.value)

    def pending(self) -> Self:
        return self.filter(status=RotationStatus.PENDING.value)


class KeyRotation(models.Model):
    """A rotation of a key. For a rotation in place, both keys are the same; a succession links two keys.

    ``rotated_by`` or ``service_account_id`` requested it; neither is set if the system did. ``rotated_at`` is the time
    of the rotation or, in another status, of the last change of the status. ``error_code`` is a fixed word.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    old_key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="rotations")
    new_key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    old_version = models.PositiveIntegerField()
    new_version = models.PositiveIntegerField()
    rotation_reason = models.CharField(max_length=MAX_REASON)
    rotated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_column="rotated_by",
    )
    service_account_id = models.UUIDField(null=True, editable=False)
    rotated_at = models.DateTimeField(db_default=Now())
    status = models.CharField(
        max_length=20,
        choices=[(word.value, word.value) for word in RotationStatus],
        db_default=RotationStatus.PENDING.value,
    )
    error_code = models.CharField(max_length=64, blank=True, default="", db_default="")
    job = models.ForeignKey(
        KeyRotationJob, null=True, on_delete=models.PROTECT, related_name="rotations", db_index=False
    )

    objects = KeyRotationQuerySet.as_manager()

    class Meta:
        db_table = "key_rotations"
        indexes = [
            models.Index(fields=["rotated_at"], name="idx_key_rotations_rotated_at"),
            models.Index(
                fields=["job", "status"], name="idx_key_rotations_job", condition=Q(job__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[word.value for word in RotationStatus]),
                name="key_rotations_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status=RotationStatus.FAILED.value) & ~Q(error_code="")
                | Q(status=RotationStatus.CANCELLED.value)
                | Q(status__in=[RotationStatus.PENDING.value, RotationStatus.COMPLETED.value], error_code=""),
                name="key_rotations_failure_has_a_code",
            ),
            models.CheckConstraint(
                condition=~Q(status=RotationStatus.PENDING.value) | Q(job__isnull=False),
                name="key_rotations_pending_has_a_job",
            ),
            models.UniqueConstraint(
                fields=["old_key", "old_version"],
                condition=Q(status=RotationStatus.PENDING.value),
                name="key_rotations_one_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old_version} to {self.new_version}"

    @property
    def requester(self) -> Identity:
        if self.service_account_id is not None:
            return Identity.service_account(self.service_account_id)
        return Identity.SYSTEM if self.rotated_by_id is None else Identity.user(self.rotated_by_id)
