"""Sequence what waits, while processes of the earlier version may go on. An interrupted migration continues."""

from django.db import migrations

from audit.migrations import _first_era


def drain(apps, schema_editor):
    _first_era.drain()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0014_bundles")]
    operations = [migrations.RunPython(drain, migrations.RunPython.noop)]
