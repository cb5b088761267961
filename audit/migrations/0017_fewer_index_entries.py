"""Indexes of the log without the entries that no query looks up in them.

Entries of service accounts have no user, and are not rare. Each index that an entry is not in costs the sequencer less.
"""

from django.db import migrations, models


def of_users(name, *fields):
    return models.Index(condition=models.Q(("user_id__isnull", False)), fields=fields, name=name)


class Migration(migrations.Migration):
    dependencies = [("audit", "0016_second_era")]

    operations = [
        migrations.RemoveIndex("auditlog", "idx_audit_logs_user_action"),
        migrations.RemoveIndex("auditlog", "idx_audit_logs_user"),
        migrations.RemoveIndex("auditlog", "idx_audit_logs_actor_type"),
        migrations.AddIndex("auditlog", of_users("idx_audit_logs_user_action", "user_id", "action")),
        migrations.AddIndex("auditlog", of_users("idx_audit_logs_user", "user_id", "id")),
        migrations.AddIndex(
            "auditlog",
            models.Index(
                condition=models.Q(("actor_type__in", ["system", "anonymous"])),
                fields=["actor_type", "id"],
                name="idx_audit_logs_actor_type",
            ),
        ),
    ]
