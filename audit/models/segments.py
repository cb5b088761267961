"""Segments: parts of the log whose entries are in the archive."""

from typing import ClassVar

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow


class AuditSegment(MacProtectedRow):
    """``ENTRIES`` consecutive leaves of the tree, from ``number * ENTRIES`` on, in a file of the archive.

    ``kept`` are the entries that stay in ``audit_logs``, and ``removed`` are the numbers of the others
    (``audit.archive.contents``). ``sha256`` and ``size`` are those of the file, and ``version_id`` is that of its
    object in a bucket with versions. Rows may exist until ``removed_at`` is set.
    """

    MAC_LABEL: ClassVar[str] = "audit-segment"
    ENTRIES: ClassVar[int] = 2**16

    number = models.BigIntegerField(primary_key=True)
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    kept = models.BinaryField()
    removed = models.TextField()
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    version_id = models.CharField(max_length=1024)
    archived_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "audit_segments"
        verbose_name = "segment of the archive"
        verbose_name_plural = "segments of the archive"
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"segment {self.number}"

    def mac_fields(self) -> tuple[MacField, ...]:
        return (
            self.number,
            self.first_id,
            self.last_id,
            self.first_at,
            self.last_at,
            bytes(self.kept),
            self.removed,
            self.sha256,
            self.size,
            self.version_id,
            self.archived_at,
            self.removed_at,
        )


class AuditRemoval(models.Model):
    """Permits its own transaction to delete archived rows (``audit.log.triggers``). It is never committed."""

    segment = models.BigIntegerField(primary_key=True)

    class Meta:
        db_table = "audit_removals"
        verbose_name = "removal of a segment"

    def __str__(self) -> str:
        return f"removal of segment {self.segment}"
