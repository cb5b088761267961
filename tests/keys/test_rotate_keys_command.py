from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from kernel.clock import database_now
from keys import services
from keys.models import Key, KeyRotation

pytestmark = pytest.mark.django_db


@pytest.fixture
def due_key(new_key):
    def create(**fields):
        key = new_key(rotation_period_days=1, **fields)
        Key.objects.filter(pk=key.pk).update(next_rotation_at=database_now() - timedelta(days=3))
        return key

    return create


def run(*arguments):
    output = StringIO()
    call_command("rotate_keys", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_it_rotates_what_is_due_and_nothing_else(due_key, new_key, events_of):
    due, later, never = due_key(), new_key(rotation_period_days=1), new_key()
    assert run() == [f"{due.name}: rotated to version 2", "1 due, 0 failed"]
    assert [Key.objects.get(pk=key.pk).primary_version for key in (due, later, never)] == [2, 1, 1]
    event = events_of(due)[-1]
    assert (event.actor_type, event.actor_name, event.source) == ("system", "rotate_keys", "command")


def test_run_again_it_finds_nothing_due(due_key):
    due_key()
    run()
    assert run() == ["0 due, 0 failed"]


def test_a_dry_run_lists_due_keys_and_rotates_none(due_key):
    due = due_key()
    day = f"{Key.objects.get(pk=due.pk).next_rotation_at:%Y-%m-%d}"
    assert run("--dry-run") == [f"{due.name}: due since {day}", "1 due, 0 failed"]
    assert not KeyRotation.objects.exists()


def test_keys_that_are_not_active_are_not_due(due_key, admin, let_time_pass):
    disabled = due_key()
    services.disable_key(principal=admin.principal, key_id=disabled.id, reason="test")
    expired = due_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(expired, expired=True)
    assert run() == ["0 due, 0 failed"]


def test_one_failing_key_does_not_stop_the_rest_and_the_exit_code_tells(due_key):
    broken, sound = due_key(name="a-broken-key"), due_key(name="a-sound-key")
    Key.objects.filter(pk=broken.pk).update(row_mac="")
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_keys", stdout=output)
    lines = output.getvalue().splitlines()
    assert lines[0].startswith("a-broken-key: FAILED, ")
    assert lines[1:] == ["a-sound-key: rotated to version 2", "2 due, 1 failed"]
    assert Key.objects.get(pk=sound.pk).primary_version == 2


def test_what_the_database_refuses_is_a_failure_like_any_other(due_key):
    due, sound = due_key(name="a-broken-key"), due_key(name="a-sound-key")
    stray = due.versions.get()
    stray.pk, stray.version, stray.is_primary = uuid4(), 2, False
    stray._state.adding = True
    stray.save()
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("rotate_keys", stdout=output)
    assert output.getvalue().splitlines()[0] == "a-broken-key: FAILED, The database rejected the change."
    assert Key.objects.get(pk=due.pk).primary_version == 1
    assert Key.objects.get(pk=sound.pk).primary_version == 2


def test_a_key_that_was_rotated_meanwhile_is_no_longer_due(due_key, admin):
    due_key(name="a-first-key")
    second = due_key(name="b-second-key")
    outcomes = services.rotate_due_keys(principal=admin.principal)
    next(outcomes)
    services.rotate_key(principal=admin.principal, key_id=second.id, reason="by hand")
    assert list(outcomes) == []
    assert Key.objects.get(pk=second.pk).primary_version == 2
