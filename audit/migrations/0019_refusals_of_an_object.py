"""An index for the refusals of one object. Few entries are in it, so it costs the sequencer little."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0018_jobs_in_one_table")]

    operations = [
        migrations.AddIndex(
            "auditlog",
            models.Index(
                condition=models.Q(("outcome__in", ["denied", "error"])),
                fields=["object_id", "id"],
                name="idx_audit_logs_object_refused",
            ),
        ),
    ]
