from django.conf import settings
from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0008_deletion_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                fields=[
                    "created_by",
                    "state",
                    "activates_at",
                    "expires_at",
                    "next_rotation_at",
                    "deletion_at",
                    "id",
                ],
                name="idx_encryption_keys_figures",
            ),
        ),
        # The new index begins with the same column.
        migrations.AlterField(
            model_name="key",
            name="created_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="keyversion",
            index=models.Index(
                condition=models.Q(("wrapped", b""), _negated=True),
                fields=["kek_id"],
                name="idx_key_versions_kek",
            ),
        ),
    ]
