import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_oidc_identities'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('row_seq', models.PositiveBigIntegerField(default=0, editable=False)),
                ('row_mac', models.CharField(editable=False, max_length=80)),
                ('code_hash', models.CharField(max_length=64)),
                ('expires_at', models.DateTimeField()),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='invitation', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('subject_version', models.PositiveIntegerField()),
            ],
            options={
                'db_table': 'invitations',
            },
        ),
    ]
