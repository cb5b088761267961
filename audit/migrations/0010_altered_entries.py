"""Exports count the altered entries that they met."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_checkpoint_links")]

    operations = [migrations.AddField("auditexport", "altered", models.BigIntegerField(null=True))]
