from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_alarms")]

    operations = [
        migrations.AddIndex(
            model_name="auditlog",
            index=models.Index(fields=["client_ip", "id"], name="idx_audit_logs_client_ip"),
        ),
    ]
