"""The table of the jobs of this app."""

from collections.abc import Mapping
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.principals import Principal
from kernel.identity_columns import is_of
from kernel.jobs import Job
from kernel.labels import MAX_REASON
from kernel.trust.row_mac import MacField, MacProtectedRow
from keys.models import Key


class ReencryptionQuerySet(models.QuerySet["Reencryption"]):
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
    ``crypto_ops.requests.ReencryptRequest``.
    """

    MAC_LABEL: ClassVar[str] = "reencryptions"

    key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    target_key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    current = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    versions = models.JSONField(default=dict)

    objects = ReencryptionQuerySet.as_manager()  # type: ignore[misc]  # instead of the plain manager of the base

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
        """What a page depends on. The progress is displayed only, and each page changes it."""
        return (self.id, self.key_id, self.target_key_id, self.reason, self.created_by, self.actor_id)
