"""Protect the tables of the tree, feed the sequencer, and hand it the entries that are there already."""

import hashlib

from django.db import migrations

from audit.log import triggers

TABLES = ("audit_leaves", "audit_checkpoints")
# Later entries are bundles: 0015 removes the list and its trigger.
FEEDS = {
    "postgresql": (
        """
CREATE FUNCTION note_pending_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (log_id) SELECT id FROM written;
    RETURN NULL;
END $$
""",
        """
CREATE TRIGGER audit_logs_pending AFTER INSERT ON audit_logs REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION note_pending_entries()
""",
    ),
    "sqlite": (
        """
CREATE TRIGGER audit_logs_pending AFTER INSERT ON audit_logs
BEGIN INSERT INTO audit_pending (log_id) VALUES (NEW.id); END
""",
    ),
}
UNDO = {
    "postgresql": "DROP FUNCTION note_pending_entries() CASCADE",
    "sqlite": "DROP TRIGGER audit_logs_pending",
}


def install(apps, schema_editor):
    triggers.install(schema_editor, *TABLES)
    for statement in FEEDS[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    schema_editor.execute(UNDO[schema_editor.connection.vendor], params=None)
    triggers.remove(schema_editor, *TABLES)


def begin_tree(apps, schema_editor):
    # The root of no leaves (RFC 6962 section 2.1).
    apps.get_model("audit", "AuditTree").objects.create(id=1, root=hashlib.sha256().digest())
    schema_editor.execute("INSERT INTO audit_pending (log_id) SELECT id FROM audit_logs", params=None)


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_tree")]

    operations = [
        migrations.RunPython(begin_tree, migrations.RunPython.noop),
        migrations.RunPython(install, remove),
    ]
