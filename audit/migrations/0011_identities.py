"""Entries, changed rows, exports, saved filters and usage of identities other than users; last uses of tokens.

The new columns of ``audit_logs``, ``audit_trail`` and ``audit_exports`` are nullable and without a default: SQLite then
adds them and does not rebuild the tables without their triggers.
"""

from django.db import migrations, models


def account_index(name, *fields):
    return models.Index(condition=models.Q(("actor_id__isnull", False)), fields=fields, name=name)


def type_of_identity():
    return models.CharField(db_default="user", default="user", max_length=20)


class Migration(migrations.Migration):
    dependencies = [("audit", "0010_altered_entries")]

    operations = [
        migrations.AddField("auditlog", "actor_id", models.UUIDField(null=True)),
        migrations.AddField("audittrail", "actor_id", models.UUIDField(null=True)),
        migrations.AddField("auditexport", "actor_id", models.UUIDField(null=True)),
        migrations.AddField("auditexport", "names", models.JSONField(blank=True, null=True)),
        migrations.AddIndex("auditlog", account_index("idx_audit_logs_account_action", "actor_id", "action")),
        migrations.AddIndex("auditlog", account_index("idx_audit_logs_account", "actor_id", "id")),
        migrations.AddIndex("audittrail", account_index("idx_audit_trail_account", "actor_id", "id")),
        migrations.AddField("savedfilter", "owner_type", type_of_identity()),
        migrations.AddField("usagerollup", "principal_type", type_of_identity()),
        migrations.CreateModel(
            name="TokenLastUse",
            fields=[
                ("token_id", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("last_at", models.DateTimeField()),
                ("client_ip", models.CharField(blank=True, max_length=45)),
            ],
            options={
                "verbose_name": "last use of a token",
                "verbose_name_plural": "last uses of tokens",
                "db_table": "token_last_uses",
            },
        ),
    ]
