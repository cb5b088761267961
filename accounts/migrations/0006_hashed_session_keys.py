"""The key of a browser session is kept as its hash. Present sessions, kept by the key itself, end: people sign in anew."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_passkeys'),
    ]

    operations = [
        migrations.RunSQL('DELETE FROM browser_sessions', reverse_sql='DELETE FROM browser_sessions'),
        migrations.AlterField(
            model_name='browsersession',
            name='session_key',
            field=models.CharField(max_length=64, primary_key=True, serialize=False),
        ),
    ]
