"""Bundles: entries that are durable, and not yet rows of the log."""

from django.db import models


class AuditBundle(models.Model):
    """The entries of one transaction, until the sequencer turns them into rows of ``audit_logs``.

    ``audit.log.bundles`` has the format. ``first`` is the number of the first entry, and the ``entries`` are
    consecutive. ``rejected_at`` is set if the sequencer refused the bundle: it is evidence, and stays.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    writer = models.UUIDField()
    first = models.BigIntegerField()
    entries = models.IntegerField()
    body = models.BinaryField()
    mac = models.CharField(max_length=80)
    rejected_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "audit_bundles"
        verbose_name = "bundle of entries"
        verbose_name_plural = "bundles of entries"
        ordering = ["id"]
        indexes = [models.Index(fields=["writer", "first"], name="idx_audit_bundles_writer")]

    def __str__(self) -> str:
        return f"bundle {self.pk}"
