"""The end of a suspension for a limited time, and the index of figures with it."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("keys", "0017_transit_mounts")]

    operations = [
        migrations.AddField(
            "key",
            "resumes_at",
            models.DateTimeField(help_text="when a suspension for a limited time ends", null=True),
        ),
        migrations.AddConstraint(
            "key",
            models.CheckConstraint(
                condition=Q(resumes_at=None) | Q(state="suspended"),
                name="encryption_keys_only_a_suspension_ends",
            ),
        ),
        migrations.AddIndex(
            "key",
            models.Index(
                fields=["resumes_at"],
                name="idx_encryption_keys_resumption",
                condition=Q(resumes_at__isnull=False),
            ),
        ),
        migrations.RemoveIndex("key", "idx_encryption_keys_figures"),
        migrations.AddIndex(
            "key",
            models.Index(
                fields=[
                    "created_by",
                    "state",
                    "activates_at",
                    "expires_at",
                    "resumes_at",
                    "next_rotation_at",
                    "deletion_at",
                    "id",
                ],
                name="idx_encryption_keys_figures",
            ),
        ),
    ]
