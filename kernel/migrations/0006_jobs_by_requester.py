"""An index of the jobs of a user, for lists and for the limit of exports."""

from django.db import migrations

from kernel.jobs.job import LongNameIndex


class Migration(migrations.Migration):
    dependencies = [("ciphercanary", "0005_jobs_in_one_table")]

    operations = [
        migrations.AddIndex(
            "jobrecord", LongNameIndex(fields=["created_by"], name="idx_encryption_operations_created_by")
        )
    ]
