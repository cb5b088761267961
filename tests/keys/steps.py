"""Steps that several tests of keys share."""

from io import StringIO

from django.core.management import call_command

from kernel.clock import database_now
from keys.deletion import services as deletion
from keys.models import Key, KeyVersion
from keys.rotation.services import succession


def version_of(key):
    """The primary version as stored."""
    return Key.objects.get(pk=key.pk).primary_version


def versions_of(*keys):
    return [version_of(key) for key in keys]


def age(key, by):
    """Move a key and its versions into the past, as if they had been created earlier."""
    for row in (*KeyVersion.objects.filter(key=key), Key.objects.get(pk=key.pk)):
        row.created_at = database_now() - by
        row.save_with_mac()


def succeed(person, key, name="new-key", **wanted):
    successor = succession.Successor(name=name, **wanted)
    return succession.succeed_key(
        principal=person.principal, key_id=key.pk, successor=successor, reason="move"
    )


def schedule_deletion(admin, key, **fields):
    given = {"reason": "obsolete", "confirm_name": key.name} | fields
    return deletion.schedule_deletion(principal=admin.principal, key_id=key.id, **given)


def end_wait(key):
    """End the waiting period of the key's deletion now."""
    row = Key.objects.get(pk=key.pk)
    row.deletion_at = database_now()
    row.save_with_mac()
    return row.deletion_at


def run_command(*arguments):
    """The lines that the command prints."""
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue().splitlines()
