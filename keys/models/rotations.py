"""The record of rotations."""

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.principals import Principal
from kernel.labels import MAX_REASON
from keys.models.keys import Key


class KeyRotationQuerySet(models.QuerySet["KeyRotation"]):
    def visible_to(self, principal: Principal) -> Self:
        """The rotations of the keys that the principal may see."""
        return self.filter(old_key__in=Key.objects.visible_to(principal).order_by())


class KeyRotation(models.Model):
    """A rotation of a key. For a rotation in place, both keys are the same.

    ``rotated_by`` or ``service_account_id`` performed it; neither is set if the system did.
    """

    COMPLETED: ClassVar[str] = "completed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    old_key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="rotations")
    new_key = models.ForeignKey("keys.Key", on_delete=models.PROTECT, related_name="+")
    old_version = models.PositiveIntegerField()
    new_version = models.PositiveIntegerField()
    rotation_reason = models.CharField(max_length=MAX_REASON)
    rotated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    service_account_id = models.UUIDField(null=True, editable=False)
    rotated_at = models.DateTimeField()
    status = models.CharField(max_length=20, default=COMPLETED)

    objects = KeyRotationQuerySet.as_manager()

    class Meta:
        db_table = "key_rotations"
        indexes = [models.Index(fields=["rotated_at"], name="idx_key_rotations_rotated_at")]
        constraints = [
            models.CheckConstraint(condition=Q(status="completed"), name="key_rotations_status_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.old_version} to {self.new_version}"
