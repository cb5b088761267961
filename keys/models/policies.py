"""Encryption policies: rules for the keys that are created under them."""

import json
import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.databases.random_uuid import RandomUUID
from kernel.trust.row_mac import MacField, MacProtectedRow
from keys.models.rotation_policy import RotationPolicy

MIN_DELETION_DAYS, MAX_DELETION_DAYS = 7, 30


class EncryptionPolicy(MacProtectedRow):
    """Rules for keys of one algorithm. A key under a policy obeys its current rules, not those at its creation.

    ``key_size`` is in bits. ``allowed_modes`` limits encryption; existing data decrypts in every mode of the key.
    ``key_lifetime_days`` sets the expiry of new keys. ``is_active``: whether it accepts new keys.
    """

    MAC_LABEL: ClassVar[str] = "encryption_policies"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=100, unique=True)
    algorithm = models.CharField(max_length=50)
    key_size = models.PositiveIntegerField()
    allowed_modes = models.JSONField()
    key_lifetime_days = models.PositiveIntegerField(null=True)
    rotation_policy = models.JSONField(default=dict)
    minimum_deletion_days = models.PositiveSmallIntegerField(default=MIN_DELETION_DAYS)
    exportable = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "encryption_policies"
        verbose_name_plural = "encryption policies"
        constraints = [
            models.CheckConstraint(
                condition=Q(minimum_deletion_days__range=(MIN_DELETION_DAYS, MAX_DELETION_DAYS)),
                name="encryption_policies_deletion_days_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rotation(self) -> RotationPolicy:
        return RotationPolicy.parse(self.rotation_policy)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.id,
            self.name,
            self.algorithm,
            self.key_size,
            self.allowed_modes,
            self.key_lifetime_days,
            json.dumps(self.rotation_policy, sort_keys=True, separators=(",", ":")),
            self.minimum_deletion_days,
            self.exportable,
            self.is_active,
        )
