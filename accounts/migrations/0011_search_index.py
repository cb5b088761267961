"""The full-text index of users becomes one that the search uses: every word may be a part of a name or address."""

import logging

from django.db import DatabaseError, migrations, transaction

logger = logging.getLogger(__name__)

DROP = "DROP INDEX IF EXISTS idx_users_fts"
CREATE = "CREATE INDEX idx_users_fts ON users USING gin (username gin_trgm_ops, email gin_trgm_ops)"
EARLIER = (
    "CREATE INDEX idx_users_fts ON users "
    "USING gin (to_tsvector('english', username || ' ' || coalesce(email, '')))"
)


def replace_index(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(DROP)
    try:
        # A savepoint, because the role may not create extensions, and pg_trgm may not be installed.
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(CREATE)
    except DatabaseError as error:
        logger.warning("pg_trgm is not available (%s): searching users works without its index, and slower", error)


def restore_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)
        schema_editor.execute(EARLIER)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_invitations")]
    operations = [migrations.RunPython(replace_index, restore_index)]
