"""Indexes that only PostgreSQL has: full text on the name, trigrams for substring search, containment of tags."""

import logging

from django.db import DatabaseError, migrations, transaction

logger = logging.getLogger(__name__)

FULL_TEXT = (
    "CREATE INDEX idx_encryption_keys_fts ON encryption_keys USING gin (to_tsvector('english', name))",
    "DROP INDEX IF EXISTS idx_encryption_keys_fts",
)
TAGS = (
    "CREATE INDEX idx_encryption_keys_tags ON encryption_keys USING gin (tags)",
    "DROP INDEX IF EXISTS idx_encryption_keys_tags",
)
TRIGRAMS = (
    "CREATE INDEX idx_encryption_keys_search ON encryption_keys USING gin (searched_text gin_trgm_ops)",
    "DROP INDEX IF EXISTS idx_encryption_keys_search",
)


def create_indexes(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(FULL_TEXT[0])
    schema_editor.execute(TAGS[0])
    try:
        # A savepoint: whoever migrates need not own the right to create extensions, nor have pg_trgm installed.
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            schema_editor.execute(TRIGRAMS[0])
    except DatabaseError as error:
        logger.warning("pg_trgm is not available (%s): searching keys works without its index, and slower", error)


def drop_indexes(apps, schema_editor):
    # The extension stays: others may use it.
    if schema_editor.connection.vendor == "postgresql":
        for _, drop in (FULL_TEXT, TAGS, TRIGRAMS):
            schema_editor.execute(drop)


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial")]
    operations = [migrations.RunPython(create_indexes, drop_indexes)]
