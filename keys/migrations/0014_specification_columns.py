"""The column ``rotated_by``, and the defaults of the specification, for rows that other programs insert."""

import uuid

from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from kernel.databases.random_uuid import RandomUUID

STATUSES = ["pending", "completed", "failed", "cancelled"]


def identifier():
    return models.UUIDField(
        db_default=RandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False
    )


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0013_orders_of_the_list"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField("encryptionpolicy", "id", identifier()),
        migrations.AlterField("encryptionpolicy", "created_at", models.DateTimeField(db_default=Now())),
        migrations.AlterField(
            "encryptionpolicy", "is_active", models.BooleanField(db_default=True, default=True)
        ),
        migrations.AlterField("keyrotation", "id", identifier()),
        migrations.AlterField(
            "keyrotation",
            "rotated_by",
            models.ForeignKey(
                settings.AUTH_USER_MODEL, models.PROTECT, db_column="rotated_by", null=True, related_name="+"
            ),
        ),
        migrations.AlterField("keyrotation", "rotated_at", models.DateTimeField(db_default=Now())),
        migrations.AlterField(
            "keyrotation",
            "status",
            models.CharField(choices=[(word, word) for word in STATUSES], db_default="pending", max_length=20),
        ),
    ]
