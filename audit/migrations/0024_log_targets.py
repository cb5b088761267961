"""Receivers of the entries of the log."""

import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0023_hashed_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="LogTarget",
            fields=[
                ("kek_id", models.CharField(max_length=16)),
                ("wrapped", models.BinaryField()),
                ("row_seq", models.PositiveBigIntegerField(default=0, editable=False)),
                ("row_mac", models.CharField(editable=False, max_length=80)),
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                ("url", models.CharField(max_length=500)),
                ("style", models.CharField(default="lines", max_length=10)),
                ("format", models.CharField(default="json", max_length=10)),
                ("actions", models.JSONField(default=list)),
                ("outcomes", models.JSONField(default=list)),
                ("ca", models.TextField(blank=True)),
                ("is_enabled", models.BooleanField(default=True)),
                ("edits", models.PositiveIntegerField(default=0)),
                ("size", models.BigIntegerField(default=0)),
                ("root", models.CharField(max_length=44)),
                ("stopped_reason", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.UUIDField(null=True)),
                ("created_by_name", models.CharField(blank=True, max_length=150)),
                ("last_success_at", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=200)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("failing_since", models.DateTimeField(null=True)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("test_requested_at", models.DateTimeField(null=True)),
                ("tested_at", models.DateTimeField(null=True)),
                ("test_error", models.CharField(blank=True, max_length=200)),
                ("lease_holder", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "audit_log_targets",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("format__in", ["json", "ecs", "ocsf", "cef"])),
                        name="audit_log_targets_format_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("style__in", ["lines", "splunk", "elastic", "loki"])),
                        name="audit_log_targets_style_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("size__gte", 0)), name="audit_log_targets_size_is_positive"
                    ),
                ],
            },
        ),
    ]
