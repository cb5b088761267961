"""Indexes for two orders of the list of keys. SQLite has no NULLS LAST in an index."""

from django.db import migrations, models

CREATE = (
    "CREATE INDEX idx_encryption_keys_latest_expiry ON encryption_keys (expires_at DESC NULLS LAST, id DESC)"
)
DROP = "DROP INDEX IF EXISTS idx_encryption_keys_latest_expiry"


def execute(statement):
    def run(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    dependencies = [("keys", "0012_jobs_in_one_table")]

    operations = [
        migrations.RemoveIndex("key", "idx_encryption_keys_algorithm"),
        migrations.AddIndex(
            "key", models.Index(fields=["algorithm", "id"], name="idx_encryption_keys_algorithm")
        ),
        migrations.RunPython(execute(CREATE), execute(DROP)),
    ]
