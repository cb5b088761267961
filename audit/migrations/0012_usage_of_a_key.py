from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0011_identities")]

    operations = [
        migrations.AddIndex(
            model_name="usagerollup",
            index=models.Index(fields=["key_id", "hour"], name="idx_usage_rollups_key"),
        )
    ]
