from django.db import migrations, models


def leave_out_like_index(apps, schema_editor):
    """On PostgreSQL, Django adds an index for LIKE after the migration. Each change would write it, and only comparisons of
    whole tables would use it."""
    schema_editor.deferred_sql.clear()


class Migration(migrations.Migration):

    dependencies = [
        ('ciphercanary', '0007_applied_releases'),
    ]

    operations = [
        migrations.CreateModel(
            name='StateHead',
            fields=[
                ('id', models.TextField(editable=False, help_text='label of the table, and primary key', primary_key=True, serialize=False)),
                ('digest', models.CharField(help_text='SHA-256 of the contents of the row, in hexadecimal', max_length=64)),
            ],
            options={
                'db_table': 'state_heads',
            },
        ),
        migrations.RunPython(leave_out_like_index, migrations.RunPython.noop),
    ]
