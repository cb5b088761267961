"""Saved filters of lists other than the log. The database has the default, too: an earlier version still saves filters."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0030_verifications")]

    operations = [
        migrations.AddField(
            "savedfilter", "list_name", models.CharField(db_default="log", default="log", max_length=20)
        ),
        migrations.RemoveConstraint("savedfilter", "audit_saved_filters_name_once"),
        migrations.AddConstraint(
            "savedfilter",
            models.UniqueConstraint(
                fields=["owner", "list_name", "name"], name="audit_saved_filters_name_once"
            ),
        ),
    ]
