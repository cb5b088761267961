"""Where Django looks for models. Each room defines its own."""

from django.db import models
from django.db.models import Q

from kernel.databases.releases import AppliedRelease
from kernel.freshness.models import EntityEpoch, SecurityEpoch
from kernel.idempotency.models import CompletedRequest
from kernel.jobs.job import Job, JobRecord
from kernel.outbox.models import Notification
from kernel.trust.models import Instance, KeyEncryptionKey, StateHead, SystemKey

__all__ = [
    "AppliedRelease",
    "CompletedRequest",
    "EntityEpoch",
    "Instance",
    "JobRecord",
    "KekRewrap",
    "KeyEncryptionKey",
    "Notification",
    "SecurityEpoch",
    "StateHead",
    "SystemKey",
]


class KekRewrap(Job):
    """A job that wraps all stored keys under the primary key-encryption key again. ``done`` counts the rows that it wrapped again.

    The result: ``kek_id`` is the primary key-encryption key at the end. ``altered`` rows were changed outside the
    application, and are still under their older key.
    """

    kek_id = models.CharField(max_length=16, blank=True)
    altered = models.BigIntegerField(null=True)

    class Meta(Job.Meta):
        db_table = "kek_rewraps"
        verbose_name = "rewrap"
        constraints = [
            models.CheckConstraint(
                condition=Q(altered__gte=0) & ~Q(kek_id="") | Q(altered__isnull=True, kek_id=""),
                name="kek_rewraps_result_is_complete",
            ),
        ]
