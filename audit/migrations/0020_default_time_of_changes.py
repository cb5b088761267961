"""The specification's default of ``audit_trail.changed_at``. SQLite rebuilds the table, and loses its triggers."""

from django.db import migrations, models
from django.db.models.functions import Now

from audit.log import triggers


def remove_triggers(apps, schema_editor):
    triggers.remove(schema_editor, "audit_trail")


def install_triggers(apps, schema_editor):
    triggers.install(schema_editor, "audit_trail")


class Migration(migrations.Migration):
    dependencies = [("audit", "0019_refusals_of_an_object")]

    operations = [
        migrations.RunPython(remove_triggers, install_triggers),
        migrations.AlterField("audittrail", "changed_at", models.DateTimeField(db_default=Now())),
        migrations.RunPython(install_triggers, remove_triggers),
    ]
