from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0016_transit'),
    ]

    operations = [
        migrations.CreateModel(
            name='TransitMount',
            fields=[
                ('row_seq', models.PositiveBigIntegerField(default=0, editable=False)),
                ('row_mac', models.CharField(editable=False, max_length=80)),
                ('path', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('description', models.CharField(blank=True, max_length=255)),
            ],
            options={
                'db_table': 'transit_mounts',
            },
        ),
    ]
