"""Usage totals of keys. The sequencer adds them up, so that no writer waits for a counter."""

from django.db import models

from audit.log.events import TEXT_LIMITS, Outcome


class UsageRollup(models.Model):
    """Operations of one kind with one version of a key, by one principal, within one hour (UTC).

    ``principal`` is a user's id, "" without a user. ``version`` is 0 if the entry has none. ``size`` is in bytes.
    """

    key_id = models.CharField(max_length=TEXT_LIMITS["object_id"])
    version = models.BigIntegerField()
    principal = models.CharField(max_length=36, blank=True)
    operation = models.CharField(max_length=TEXT_LIMITS["action"])
    outcome = models.CharField(max_length=10, choices=[(word.value, word.value) for word in Outcome])
    hour = models.DateTimeField()
    count = models.BigIntegerField()
    size = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "usage_rollups"
        verbose_name = "usage"
        verbose_name_plural = "usage"
        constraints = [
            models.UniqueConstraint(
                fields=["key_id", "version", "principal", "operation", "outcome", "hour"],
                name="usage_rollups_once",
            )
        ]
        indexes = [models.Index(fields=["hour"], name="idx_usage_rollups_hour")]

    def __str__(self) -> str:
        return f"{self.key_id} {self.operation} {self.hour:%Y-%m-%dT%H}: {self.count}"
