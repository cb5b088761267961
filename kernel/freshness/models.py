"""What every security-relevant change raises (``kernel.freshness.epoch``)."""

from django.db import models


class SecurityEpoch(models.Model):
    """One row: a number that every security-relevant change raises (``kernel.freshness.epoch``)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.BigIntegerField()

    class Meta:
        app_label = "audit"  # whose migrations made the table
        db_table = "security_epoch"
        verbose_name_plural = "security epoch"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="security_epoch_is_single")]

    def __str__(self) -> str:
        return str(self.epoch)


class EntityEpoch(models.Model):
    """When an entity (``key:<id>``, ``user:<id>``, ``signing-keys``) was last changed: the global epoch of its change.

    No row means never changed since this installation counts by entity.
    """

    entity = models.CharField(primary_key=True, max_length=80)
    epoch = models.BigIntegerField()

    class Meta:
        app_label = "audit"  # likewise
        db_table = "entity_epochs"

    def __str__(self) -> str:
        return f"{self.entity} at {self.epoch}"
