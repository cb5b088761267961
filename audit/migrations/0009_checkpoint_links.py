"""Checkpoints name those before them, and the tree loses a time that nothing could verify."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_alarms")]

    # Nullable and without a default: SQLite then adds the columns and does not rebuild the table without its triggers.
    operations = [
        migrations.RemoveField("audittree", "sequenced_at"),
        migrations.AddField("auditcheckpoint", "previous", models.BigIntegerField(null=True)),
        migrations.AddField("auditcheckpoint", "kept", models.BigIntegerField(null=True)),
        migrations.AddField("auditcheckpoint", "link_mac", models.CharField(max_length=80, null=True)),
    ]
