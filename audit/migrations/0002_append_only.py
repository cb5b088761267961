"""Make the log append-only, and give the security epoch its one row."""

from django.db import migrations

from audit.log import triggers

TABLES = ("audit_logs", "audit_trail")


def install(apps, schema_editor):
    triggers.install(schema_editor, *TABLES)


def remove(apps, schema_editor):
    triggers.remove(schema_editor, *TABLES)


def begin_epoch(apps, schema_editor):
    apps.get_model("audit", "SecurityEpoch").objects.create(id=1, epoch=1)


def end_epoch(apps, schema_editor):
    apps.get_model("audit", "SecurityEpoch").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunPython(begin_epoch, end_epoch),
        migrations.RunPython(install, remove),
    ]
