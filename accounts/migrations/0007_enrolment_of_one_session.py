from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_hashed_session_keys'),
    ]

    operations = [
        migrations.AddField(
            model_name='totpdevice',
            name='begun_in',
            field=models.UUIDField(
                editable=False, help_text='The browser or API session that received the seed.', null=True
            ),
        ),
    ]
