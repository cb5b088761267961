
from django.db import migrations, models


class Migration(migrations.Migration):
    """The sequencer fills the table, from the roll-ups, when it starts."""

    dependencies = [
        ('audit', '0012_usage_of_a_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateTimeField()),
                ('kind', models.CharField(choices=[('all', 'All'), ('key', 'Key'), ('principal', 'Principal')], max_length=10)),
                ('subject', models.CharField(blank=True, max_length=100)),
                ('allowed', models.BigIntegerField()),
                ('denied', models.BigIntegerField()),
                ('failed', models.BigIntegerField()),
            ],
            options={
                'verbose_name': 'usage of a day',
                'verbose_name_plural': 'usage by day',
                'db_table': 'usage_days',
                'indexes': [models.Index(models.F('day'), models.F('kind'), models.F('allowed') + models.F('denied') + models.F('failed'), name='idx_usage_days_busiest')],
                'constraints': [models.UniqueConstraint(fields=('kind', 'subject', 'day'), name='usage_days_once')],
            },
        ),
    ]
