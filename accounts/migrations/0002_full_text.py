"""The specification's full-text index of users; SQLite has nothing of the kind."""

from django.db import migrations

# 'coalesce': the address may be missing, and NULL would swallow the name.
CREATE = (
    "CREATE INDEX idx_users_fts ON users "
    "USING gin (to_tsvector('english', username || ' ' || coalesce(email, '')))"
)
DROP = "DROP INDEX IF EXISTS idx_users_fts"


def create_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def drop_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(create_index, drop_index)]
