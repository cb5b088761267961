"""Rotation jobs become rows of ``encryption_operations``. ``key_rotation_jobs`` keeps the columns of their kind."""

from django.db import migrations

from kernel.migrations._job_records import move_jobs


class Migration(migrations.Migration):
    dependencies = [("keys", "0011_import_parameters"), ("ciphercanary", "0005_jobs_in_one_table")]

    operations = move_jobs("keyrotationjob", "key_rotation_jobs", "key_rotation")
