"""Segments of the archive, and the triggers that permit the removal of their rows."""

from django.db import migrations, models

from audit.log import triggers


def permit_removal(apps, schema_editor):
    triggers.permit_removal(schema_editor)


def refuse_removal(apps, schema_editor):
    triggers.refuse_removal(schema_editor)


class Migration(migrations.Migration):
    dependencies = [("audit", "0020_default_time_of_changes")]

    operations = [
        migrations.CreateModel(
            name="AuditRemoval",
            fields=[("segment", models.BigIntegerField(primary_key=True, serialize=False))],
            options={"verbose_name": "removal of a segment", "db_table": "audit_removals"},
        ),
        migrations.CreateModel(
            name="AuditSegment",
            fields=[
                ("row_seq", models.PositiveBigIntegerField(default=0, editable=False)),
                ("row_mac", models.CharField(editable=False, max_length=80)),
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("first_id", models.BigIntegerField()),
                ("last_id", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("kept", models.BinaryField()),
                ("removed", models.TextField()),
                ("sha256", models.CharField(max_length=64)),
                ("size", models.BigIntegerField()),
                ("version_id", models.CharField(max_length=1024)),
                ("archived_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "segment of the archive",
                "verbose_name_plural": "segments of the archive",
                "db_table": "audit_segments",
                "ordering": ["-number"],
            },
        ),
        migrations.RunPython(permit_removal, refuse_removal),
    ]
