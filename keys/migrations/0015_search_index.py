"""The index of the search gets the specification's name. No query used the full-text index that had it."""

from django.db import migrations

DROP = "DROP INDEX IF EXISTS idx_encryption_keys_fts"
# It is missing if pg_trgm was not available: see 0002_postgresql_search.
RENAME = "ALTER INDEX IF EXISTS idx_encryption_keys_search RENAME TO idx_encryption_keys_fts"
RENAME_BACK = "ALTER INDEX IF EXISTS idx_encryption_keys_fts RENAME TO idx_encryption_keys_search"
EARLIER = "CREATE INDEX idx_encryption_keys_fts ON encryption_keys USING gin (to_tsvector('english', name))"


def replace_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)
        schema_editor.execute(RENAME)


def restore_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(RENAME_BACK)
        schema_editor.execute(EARLIER)


class Migration(migrations.Migration):
    dependencies = [("keys", "0014_specification_columns")]
    operations = [migrations.RunPython(replace_index, restore_index)]
