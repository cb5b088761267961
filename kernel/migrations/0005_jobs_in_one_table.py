"""``encryption_operations`` has the jobs of all kinds. Rewraps move into it, and ``kek_rewraps`` keeps their columns."""

import uuid

from django.db import migrations, models
from django.db.models import F, Q

import kernel.clock
import kernel.jobs.job
from kernel.migrations._job_records import move_jobs

STATUSES = ["pending", "running", "succeeded", "failed", "cancelled"]
ENDED = Q(status__in=["succeeded", "failed", "cancelled"])
LEASED = Q(status="running", due_at__isnull=False)


class Migration(migrations.Migration):
    dependencies = [("ciphercanary", "0004_notification")]

    operations = [
        migrations.CreateModel(
            name="JobRecord",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=40)),
                (
                    "status",
                    models.CharField(
                        choices=[(word, word) for word in STATUSES], default="pending", max_length=10
                    ),
                ),
                ("created_at", models.DateTimeField(default=kernel.clock.database_now)),
                ("due_at", models.DateTimeField(default=kernel.clock.database_now, null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("created_by", models.UUIDField(null=True)),
                ("actor_id", models.UUIDField(null=True)),
                ("created_by_name", models.CharField(blank=True, max_length=150)),
                ("actor", models.JSONField(blank=True, default=dict)),
                ("done", models.BigIntegerField(default=0)),
                ("total", models.BigIntegerField(null=True)),
                ("unit", models.CharField(blank=True, max_length=20)),
                ("cancel_requested_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("lease_holder", models.CharField(blank=True, max_length=100)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("error_code", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "verbose_name": "job",
                "db_table": "encryption_operations",
                "ordering": ["-created_at"],
                "indexes": [
                    kernel.jobs.job.LongNameIndex(fields=["status"], name="idx_encryption_operations_status"),
                    models.Index(fields=["status", "due_at"], name="idx_encryption_operations_due"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=~Q(kind=""), name="encryption_operations_have_a_kind"),
                    models.CheckConstraint(
                        condition=Q(status__in=STATUSES), name="encryption_operations_status_is_known"
                    ),
                    models.CheckConstraint(
                        condition=ENDED & Q(finished_at__isnull=False) | ~ENDED & Q(finished_at__isnull=True),
                        name="encryption_operations_finished_when_ended",
                    ),
                    models.CheckConstraint(
                        condition=Q(status="failed") & ~Q(error_code="") | ~Q(status="failed") & Q(error_code=""),
                        name="encryption_operations_failure_has_a_code",
                    ),
                    models.CheckConstraint(
                        condition=Q(done__gte=0) & (Q(total__isnull=True) | Q(total__gte=F("done"))),
                        name="encryption_operations_progress_within_total",
                    ),
                    models.CheckConstraint(
                        condition=LEASED & Q(lease_until__isnull=False) & ~Q(lease_holder="")
                        | ~LEASED & Q(lease_until__isnull=True, lease_holder=""),
                        name="encryption_operations_lease_while_running",
                    ),
                ],
            },
        ),
        *move_jobs(
            "kekrewrap",
            "kek_rewraps",
            "kek_rewrap",
            migrations.RemoveConstraint("kekrewrap", "kek_rewraps_result_when_succeeded"),
            migrations.AddConstraint(
                "kekrewrap",
                models.CheckConstraint(
                    condition=Q(altered__gte=0) & ~Q(kek_id="") | Q(altered__isnull=True, kek_id=""),
                    name="kek_rewraps_result_is_complete",
                ),
            ),
        ),
    ]
