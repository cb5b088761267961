"""Statistics of the columns with hashed indexes, on PostgreSQL.

A comparison of such a column also compares its hash. Without these statistics, PostgreSQL takes the two for
independent, expects too few rows, and sorts them or reads a bitmap in place of an index in order.
"""

from django.db import migrations

_FUNCTIONS = {
    "object_id": "hashtextextended",
    "actor_name": "hashtextextended",
    "action": "hashtextextended",
    "user_id": "uuid_hash_extended",
    "actor_id": "uuid_hash_extended",
    "writer": "uuid_hash_extended",
}


def _name(column):
    return f"audit_logs_{column}_hash"


def create_statistics(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for column, function in _FUNCTIONS.items():
            schema_editor.execute(
                f"CREATE STATISTICS {_name(column)} (dependencies) ON {column}, ({function}({column}, 0)) FROM audit_logs"
            )
        schema_editor.execute("ANALYZE audit_logs")


def drop_statistics(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for column in _FUNCTIONS:
            schema_editor.execute(f"DROP STATISTICS {_name(column)}")


class Migration(migrations.Migration):
    dependencies = [("audit", "0024_log_targets")]
    operations = [migrations.RunPython(create_statistics, drop_statistics)]
