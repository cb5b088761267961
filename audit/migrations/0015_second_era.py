"""End the first era of the log: from now on, the sequencer inserts the rows, with ids in the order of the tree.

The table of leaves stays as it is. A process of the earlier version can no longer write, because it writes no ids.
"""

from django.db import migrations, models

from audit.log import triggers
from audit.migrations import _first_era

MOST = 2**52  # a larger id was inserted by someone else, and would leave no room


def end_first_era(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The sequencer's lock first, as in its steps. The table's waits for running transactions, so all entries of
            # the first era are visible afterwards.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_first_era.LOCK])
            cursor.execute("LOCK TABLE audit_logs IN ACCESS EXCLUSIVE MODE")
        while _first_era.drain_batch():
            pass
        cursor.execute("SELECT count(*) FROM audit_leaves")
        [old_size] = cursor.fetchone()
        cursor.execute("SELECT coalesce(max(id), 0) FROM audit_logs WHERE id <= %s", [MOST])
        [last_id] = cursor.fetchone()
        shift = max(0, last_id - old_size)
        cursor.execute("UPDATE audit_tree SET old_size = %s, id_shift = %s WHERE id = 1", [old_size, shift])
        if connection.vendor == "postgresql":
            cursor.execute("DROP FUNCTION note_pending_entries() CASCADE")
            cursor.execute("ALTER TABLE audit_logs ALTER COLUMN id DROP IDENTITY IF EXISTS")
        else:
            cursor.execute("DROP TRIGGER audit_logs_pending")
    triggers.require_ids(schema_editor)


class Migration(migrations.Migration):
    dependencies = [("audit", "0014_sequence_pending")]

    operations = [
        migrations.RunPython(end_first_era),
        migrations.DeleteModel("AuditPending"),
        # The column itself changed above. SQLite would rebuild the table without its triggers.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "auditlog", "id", models.BigIntegerField(primary_key=True, serialize=False)
                ),
                migrations.AlterModelOptions(
                    "auditleaf",
                    {"verbose_name": "leaf of the first era", "verbose_name_plural": "leaves of the first era"},
                ),
            ]
        ),
    ]
