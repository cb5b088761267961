import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from kernel.clock import database_now
from keys.models import Key
from tests.keys.steps import end_wait, run_command, schedule_deletion

pytestmark = pytest.mark.django_db


@pytest.fixture
def expired(new_key, let_time_pass):
    key = new_key(name="a-key", expires_at=database_now() + timedelta(hours=1))
    let_time_pass(key, expired=True)
    return key


@pytest.fixture
def doomed(new_key, admin):
    """Keys whose waiting period has ended."""

    def create(name):
        key = new_key(name=name)
        schedule_deletion(admin, key)
        end_wait(key)
        return key

    return create


def test_expire_keys_records_each_expiry_once(expired, new_key, events_of):
    new_key(expires_at=database_now() + timedelta(days=1))
    assert run_command("expire_keys", "--dry-run") == ["a-key: has expired", "1 due, 0 failed"]
    assert events_of(expired)[-1].action == "keys.key.created"
    document = json.loads("".join(run_command("expire_keys", "--json")))
    at = f"{Key.objects.get(pk=expired.pk).expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert document == {
        "dry_run": False,
        "due": 1,
        "failed": 0,
        "results": [{"key_id": str(expired.id), "name": "a-key", "error_code": "", "expired_at": at}],
    }
    event = events_of(expired)[-1]
    assert (event.action, event.actor_name, event.source) == ("keys.key.expired", "expire_keys", "command")
    assert run_command("expire_keys") == ["0 due, 0 failed"]


def test_destroy_due_keys_destroys_what_is_due_and_fails_for_the_rest(doomed):
    broken, sound = doomed("a-key"), doomed("b-key")
    Key.objects.filter(pk=broken.pk).update(row_mac="")
    assert run_command("destroy_due_keys", "--dry-run") == [
        "a-key: will be destroyed",
        "b-key: will be destroyed",
        "2 due, 0 failed",
    ]
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("destroy_due_keys", stdout=output)
    lines = output.getvalue().splitlines()
    assert lines[0].startswith("a-key: FAILED, A row of encryption_keys was changed")
    assert lines[1:] == ["b-key: destroyed", "2 due, 1 failed"]
    assert Key.objects.get(pk=sound.pk).state == "destroyed"
    with pytest.raises(CommandError):
        call_command("destroy_due_keys", "--json", stdout=(output := StringIO()))
    document = json.loads(output.getvalue())
    assert (document["due"], document["failed"], document["results"][0]["error_code"]) == (
        1,
        1,
        "integrity_failed",
    )
