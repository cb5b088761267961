"""Rows with several entries. On SQLite, Django would rebuild the table for a constraint, and lose its triggers."""

from django.db import migrations, models

_ENTRIES = "CONSTRAINT audit_logs_entries_are_several CHECK (entries BETWEEN 2 AND 256)"
_DETAILS = "CONSTRAINT audit_logs_details_are_of_several CHECK ((entries IS NULL) = (details IS NULL))"
_FORWARDS = {
    "sqlite": [
        f"ALTER TABLE audit_logs ADD COLUMN entries integer NULL {_ENTRIES}",
        f"ALTER TABLE audit_logs ADD COLUMN details BLOB NULL {_DETAILS}",
    ],
    # Details are random, so compressing them would only cost time.
    "postgresql": [
        f"ALTER TABLE audit_logs ADD COLUMN entries integer NULL {_ENTRIES}",
        f"ALTER TABLE audit_logs ADD COLUMN details bytea NULL {_DETAILS}",
        "ALTER TABLE audit_logs ALTER COLUMN details SET STORAGE EXTERNAL",
    ],
}
_BACKWARDS = [f"ALTER TABLE audit_logs DROP COLUMN {name}" for name in ("details", "entries")]


def add_columns(apps, schema_editor):
    for statement in _FORWARDS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove_columns(apps, schema_editor):
    for statement in _BACKWARDS:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("audit", "0021_segments")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add_columns, remove_columns)],
            state_operations=[
                migrations.AddField("auditlog", "entries", models.IntegerField(null=True)),
                migrations.AddField("auditlog", "details", models.BinaryField(null=True)),
                migrations.AddConstraint(
                    "auditlog",
                    models.CheckConstraint(
                        condition=models.Q(entries__gte=2, entries__lte=256),
                        name="audit_logs_entries_are_several",
                    ),
                ),
                migrations.AddConstraint(
                    "auditlog",
                    models.CheckConstraint(
                        condition=models.Q(entries__isnull=True, details__isnull=True)
                        | models.Q(entries__isnull=False, details__isnull=False),
                        name="audit_logs_details_are_of_several",
                    ),
                ),
            ],
        ),
    ]
