import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0015_search_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="TransitKey",
            fields=[
                ("row_seq", models.PositiveBigIntegerField(default=0, editable=False)),
                ("row_mac", models.CharField(editable=False, max_length=80)),
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="transit",
                        serialize=False,
                        to="keys.key",
                    ),
                ),
                ("mount", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=255)),
                ("min_encryption_version", models.PositiveIntegerField(default=0)),
                ("allow_plaintext_backup", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "transit_keys",
                "constraints": [
                    models.UniqueConstraint(fields=("mount", "name"), name="transit_keys_one_name")
                ],
            },
        ),
    ]
