"""Writers insert bundles, and the tree counts its first era, whose leaves have a table."""

from django.db import migrations, models

from audit.log import triggers


def create_function(apps, schema_editor):
    triggers.create_write_bundle(schema_editor)
    if schema_editor.connection.vendor == "postgresql":
        # Written once and read once: compression costs more than it saves.
        schema_editor.execute("ALTER TABLE audit_bundles ALTER COLUMN body SET STORAGE EXTERNAL", params=None)


def drop_function(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION write_bundle", params=None)


class Migration(migrations.Migration):
    dependencies = [("audit", "0013_daily_usage")]

    operations = [
        migrations.CreateModel(
            name="AuditBundle",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("writer", models.UUIDField()),
                ("first", models.BigIntegerField()),
                ("entries", models.IntegerField()),
                ("body", models.BinaryField()),
                ("mac", models.CharField(max_length=80)),
                ("rejected_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name": "bundle of entries",
                "verbose_name_plural": "bundles of entries",
                "db_table": "audit_bundles",
                "ordering": ["id"],
                "indexes": [models.Index(fields=["writer", "first"], name="idx_audit_bundles_writer")],
            },
        ),
        migrations.AddField("audittree", "old_size", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField("audittree", "id_shift", models.BigIntegerField(db_default=0, default=0)),
        migrations.RunPython(create_function, drop_function),
    ]
