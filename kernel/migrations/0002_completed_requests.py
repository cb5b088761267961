from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ciphercanary', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='CompletedRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('row_seq', models.PositiveBigIntegerField(default=0, editable=False)),
                ('row_mac', models.CharField(editable=False, max_length=80)),
                ('key_hash', models.CharField(max_length=64, unique=True)),
                ('request_mac', models.CharField(max_length=80)),
                ('response', models.TextField(blank=True)),
                ('object_id', models.CharField(blank=True, max_length=64)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'db_table': 'completed_requests',
            },
        ),
    ]
