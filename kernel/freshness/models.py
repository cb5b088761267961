"""The epochs of security-relevant changes (``kernel.freshness.epoch``)."""

from django.db import models


class SecurityEpoch(models.Model):
    """A single row: the counter that every security-relevant change increments (``kernel.freshness.epoch``)."""

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
    """The global epoch of the last change of an entity (``key:<id>``, ``user:<id>``, ``signing-keys``).

    No row means that the entity has not changed since this installation counts by entity.
    """

    entity = models.CharField(primary_key=True, max_length=80)
    epoch = models.BigIntegerField()

    class Meta:
        app_label = "audit"  # likewise
        db_table = "entity_epochs"

    def __str__(self) -> str:
        return f"{self.entity} at {self.epoch}"
