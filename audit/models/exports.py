"""Exports of the log: jobs that each produce a file for a limited time (``audit.exports.task``)."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from audit.browse.filters import in_words
from audit.exports.formats import FILE_TYPES, ExportFormat
from audit.models.logs import Reader
from kernel.databases.rows import is_of
from kernel.jobs.job import Job

EXPORT_PERMISSION = "audit.export"


class AuditExportQuerySet(models.QuerySet["AuditExport"]):
    def visible_to(self, reader: Reader) -> Self:
        """All exports, or those that the reader requested. Raises Denied."""
        if reader.scope(EXPORT_PERMISSION) == "all":
            return self
        return self.filter(is_of(reader.identity, user="created_by"))


class AuditExport(Job):
    """One file of entries.

    ``filters`` are log filters under their API names (``audit.browse.filters``). ``is_of_own_acts`` is True if the
    requester could read only their own entries. ``names`` has the ids of the objects that the filters name, as the
    requester could see them: ``{name: [id]}``. The other columns are the result: ``rows`` entries in a file of ``size``
    bytes, kept until ``expires_at``. The file's name includes ``attempt`` (16 hexadecimal digits). ``altered`` rows
    were altered outside the application; null for tiles, which their verifier checks. ``checkpoint_size`` and
    ``checkpoint_root`` (base64; null and empty if none was signed yet) are of the newest checkpoint in the snapshot
    from which the rows were read. ``vkeys`` are the keys that verify it.
    """

    format = models.CharField(max_length=10, choices=[(word.value, word.value) for word in ExportFormat])
    filters = models.JSONField(default=dict, blank=True)
    names = models.JSONField(null=True, blank=True)
    is_of_own_acts = models.BooleanField(default=False)
    rows = models.BigIntegerField(null=True)
    altered = models.BigIntegerField(null=True)
    size = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    attempt = models.CharField(max_length=16, blank=True)
    expires_at = models.DateTimeField(null=True, db_index=True)
    checkpoint_size = models.BigIntegerField(null=True)
    checkpoint_root = models.CharField(max_length=44, blank=True)
    vkeys = models.JSONField(default=list, blank=True)

    objects = AuditExportQuerySet.as_manager()  # type: ignore[misc]  # instead of the plain manager of the base

    class Meta(Job.Meta):
        db_table = "audit_exports"
        verbose_name = "audit export"
        constraints = [
            models.CheckConstraint(
                condition=Q(format__in=[word.value for word in ExportFormat]),
                name="audit_exports_format_is_known",
            ),
            models.CheckConstraint(
                condition=Q(rows__gte=0, size__gte=0, expires_at__isnull=False)
                & ~Q(sha256="")
                & ~Q(attempt="")
                | Q(rows__isnull=True, size__isnull=True, expires_at__isnull=True, sha256="", attempt=""),
                name="audit_exports_result_is_complete",
            ),
        ]

    @property
    def filters_in_words(self) -> list[tuple[str, str]]:
        return in_words(self.filters)

    @property
    def format_label(self) -> str:
        return FILE_TYPES[self.format].label

    def is_kept(self, now: datetime) -> bool:
        """Whether the result can still be downloaded."""
        return self.expires_at is not None and now < self.expires_at
