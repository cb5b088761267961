"""Protect the tables of the tree, feed the sequencer, and hand it the entries that are there already."""

import hashlib

from django.db import migrations

from audit.log import triggers

TABLES = ("audit_leaves", "audit_checkpoints")


def install(apps, schema_editor):
    triggers.install(schema_editor, *TABLES)
    triggers.install_feed(schema_editor)


def remove(apps, schema_editor):
    triggers.remove_feed(schema_editor)
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
