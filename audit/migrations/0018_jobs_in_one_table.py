"""Exports become rows of ``encryption_operations``. ``audit_exports`` keeps the columns of their kind."""

from django.db import migrations, models
from django.db.models import Q

from kernel.migrations._job_records import move_jobs


class Migration(migrations.Migration):
    dependencies = [("audit", "0017_fewer_index_entries"), ("ciphercanary", "0005_jobs_in_one_table")]

    operations = move_jobs(
        "auditexport",
        "audit_exports",
        "audit_export",
        migrations.RemoveIndex("auditexport", "idx_audit_exports_created_by"),
        migrations.RemoveConstraint("auditexport", "audit_exports_result_when_succeeded"),
        migrations.AddConstraint(
            "auditexport",
            models.CheckConstraint(
                condition=Q(rows__gte=0, size__gte=0, expires_at__isnull=False) & ~Q(sha256="") & ~Q(attempt="")
                | Q(rows__isnull=True, size__isnull=True, expires_at__isnull=True, sha256="", attempt=""),
                name="audit_exports_result_is_complete",
            ),
        ),
    )
