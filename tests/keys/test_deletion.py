"""Scheduled deletion of keys and versions, and the destruction of their material."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.db import connection

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.demo_clock import running_from
from kernel.errors import Invalid
from keys.deletion import services as deletion
from keys.editing import services as editing
from keys.errors import IllegalTransition, KeyNotActive, PolicyViolated
from keys.models import Key, KeyVersion
from keys.rotation.services import rotating
from keys.states import services as states
from tests.factories import PolicyFactory
from tests.keys.steps import end_wait, schedule_deletion

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

SYSTEM = Principal.system("tests", "command")


def cancel(admin, key):
    return deletion.cancel_deletion(principal=admin.principal, key_id=key.id, reason="still needed")


def keep_version(admin, key):
    return deletion.cancel_version_destruction(
        principal=admin.principal, key_id=key.id, version=1, reason="still needed"
    )


def end_wait_of_version(key, number):
    row = KeyVersion.objects.get(key=key, version=number)
    row.destruction_at = database_now()
    row.save_with_mac()
    return row.destruction_at


def destroy():
    return list(deletion.destroy_due_keys(principal=SYSTEM))


def test_a_scheduled_key_waits_and_is_recorded(admin, key, events_of, changes_of):
    scheduled = schedule_deletion(admin, key, waiting_days=7)
    assert (scheduled.state, scheduled.state_before_deletion) == ("deletion_scheduled", "active")
    assert scheduled.deletion_at - scheduled.deletion_scheduled_at == timedelta(days=7)
    event = events_of(key)[-1]
    assert event.action == "keys.key.deletion_scheduled"
    assert '"reason":"obsolete"' in event.meta
    [change] = changes_of(event)
    assert (change.old_values["state"], change.new_values["state"]) == ("active", "deletion_scheduled")
    assert destroy() == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"confirm_name": "another"}, "confirm_name"),
        ({"waiting_days": 6}, "waiting_days"),
        ({"waiting_days": 31}, "waiting_days"),
    ],
)
def test_a_schedule_with_a_fault_changes_nothing(admin, rotated_once, fields, named):
    for schedule in (schedule_deletion, schedule_version):
        with pytest.raises(Invalid) as refusal:
            schedule(admin, rotated_once, **fields)
        assert set(refusal.value.fields) == {named}
    assert Key.objects.get().state == "active"
    assert {row.state for row in rotated_once.versions.all()} == {"enabled"}


def test_a_protected_key_cannot_be_scheduled(admin, new_key):
    key = new_key(deletion_protection=True)
    with pytest.raises(IllegalTransition, match="protected") as refusal:
        schedule_deletion(admin, key)
    assert refusal.value.extra["deletion_protection"] is True
    editing.update_key(principal=admin.principal, key_id=key.id, changes={"deletion_protection": False})
    assert schedule_deletion(admin, key).state == "deletion_scheduled"


def test_protection_is_refused_during_a_deletion(admin, rotated_once):
    protect = {
        "principal": admin.principal,
        "key_id": rotated_once.id,
        "changes": {"deletion_protection": True},
    }
    schedule_version(admin, rotated_once)
    with pytest.raises(IllegalTransition, match="Cancel the deletion first"):
        editing.update_key(**protect)
    keep_version(admin, rotated_once)
    schedule_deletion(admin, rotated_once)
    with pytest.raises(IllegalTransition, match="Cancel the deletion first"):
        editing.update_key(**protect)
    cancel(admin, rotated_once)
    assert editing.update_key(**protect).deletion_protection


def test_a_policy_may_require_a_longer_wait(admin, new_key):
    policy = PolicyFactory(name="slow", minimum_deletion_days=20)
    key = new_key(policy_id=policy.id)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="a second version")
    for schedule in (schedule_version, schedule_deletion):
        with pytest.raises(PolicyViolated):
            schedule(admin, key, waiting_days=19)
        schedule(admin, key, waiting_days=20)


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        (None, "suspended"),
        (states.disable_key, "suspended"),
        (states.revoke_key, "deactivated"),
    ],
)
def test_a_cancelled_deletion_restores_the_state_but_never_an_active_key(admin, key, operation, after):
    if operation:
        operation(principal=admin.principal, key_id=key.id, reason="before the deletion")
    schedule_deletion(admin, key)
    assert cancel(admin, key).state == after
    stored = Key.objects.get().check_mac()
    assert (stored.deletion_at, stored.deletion_scheduled_at, stored.state_before_deletion) == (
        None,
        None,
        "",
    )


def test_a_pending_key_whose_activation_passed_during_the_wait_returns_disabled(
    admin, new_key, let_time_pass
):
    key = new_key(activates_at=database_now() + timedelta(hours=1))
    schedule_deletion(admin, key)
    let_time_pass(key)
    assert cancel(admin, key).state == "suspended"


def test_nothing_can_be_cancelled_without_a_schedule_or_after_the_wait(admin, key):
    with pytest.raises(IllegalTransition, match="No deletion is scheduled"):
        cancel(admin, key)
    schedule_deletion(admin, key)
    with time_machine.travel(end_wait(key), tick=False):
        with pytest.raises(IllegalTransition, match="waiting period has ended"):
            cancel(admin, key)
        assert [due.key for due in destroy()] == [key]


def test_a_version_cannot_be_kept_after_its_wait(admin, rotated_once):
    schedule_version(admin, rotated_once)
    with time_machine.travel(end_wait_of_version(rotated_once, 1), tick=False):
        with pytest.raises(IllegalTransition, match="waiting period has ended"):
            keep_version(admin, rotated_once)
        assert [due.version for due in destroy()] == [1]


def test_a_wait_that_was_prolonged_during_a_run_is_obeyed(admin, new_key):
    key, other = new_key(name="a-key"), new_key(name="b-key")
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="a second version")
    schedule_version(admin, key)
    end_wait_of_version(key, 1)
    for each in (new_key(name="a-first-key"), other):
        schedule_deletion(admin, each)
        end_wait(each)
    run = deletion.destroy_due_keys(principal=SYSTEM)
    assert next(run).key.name == "a-first-key"
    for row, column in (
        (key.versions.get(version=1), "destruction_at"),
        (Key.objects.get(pk=other.pk), "deletion_at"),
    ):
        setattr(row, column, database_now() + timedelta(days=1))
        row.save_with_mac()
    assert list(run) == []
    assert not KeyVersion.objects.filter(key__in=[key, other], wrapped=b"").exists()


def test_destruction_erases_every_version_and_keeps_the_record(admin, new_key, events_of, changes_of):
    key = new_key(rotation_period_days=30)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="a second version")
    schedule_deletion(admin, key)
    end_wait(key)
    [due] = destroy()
    assert (due.key.id, due.version, due.error) == (key.id, None, None)
    stored = Key.objects.get().check_mac()
    assert (stored.state, stored.name, stored.next_rotation_at) == ("destroyed", key.name, None)
    assert [(bytes(row.wrapped), row.check_mac().state) for row in KeyVersion.objects.all()] == [
        (b"", "destroyed"),
        (b"", "destroyed"),
    ]
    event = events_of(key)[-1]
    assert event.action == "keys.key.destroyed"
    assert [(row.table_name, row.new_values["state"]) for row in changes_of(event)] == [
        ("key_versions", "destroyed"),
        ("key_versions", "destroyed"),
        ("encryption_keys", "destroyed"),
    ]
    assert destroy() == []


def test_a_dry_run_destroys_nothing(admin, key):
    schedule_deletion(admin, key)
    end_wait(key)
    [due] = deletion.destroy_due_keys(principal=SYSTEM, dry_run=True)
    assert due.key.id == key.id
    assert Key.objects.get().state == "deletion_scheduled"


def test_an_altered_key_is_reported_and_the_others_are_destroyed(admin, new_key):
    altered, good = new_key(name="altered"), new_key(name="good")
    for key in (altered, good):
        schedule_deletion(admin, key)
        end_wait(key)
    Key.objects.filter(pk=altered.pk).update(deletion_protection=True)
    outcomes = {due.key.name: due.error and due.error.code for due in destroy()}
    assert outcomes == {"altered": "integrity_failed", "good": None}


def schedule_version(admin, key, version=1, **fields):
    given = {"reason": "obsolete", "confirm_name": key.name}
    return deletion.schedule_version_destruction(
        principal=admin.principal, key_id=key.id, version=version, **(given | fields)
    )


def test_a_version_is_destroyed_after_its_wait(admin, rotated_once, events_of, changes_of):
    assert schedule_version(admin, rotated_once).state == "scheduled"
    [change] = changes_of(events_of(rotated_once)[-1])
    assert (change.old_values["state"], change.new_values["state"]) == ("enabled", "scheduled")
    assert destroy() == []
    end_wait_of_version(rotated_once, 1)
    [due] = destroy()
    assert due.version == 1
    first, second = KeyVersion.objects.order_by("version")
    assert (first.check_mac().state, bytes(first.wrapped)) == ("destroyed", b"")
    assert second.check_mac().state == "enabled"
    event = events_of(rotated_once)[-1]
    assert event.action == "keys.version.destroyed"
    [change] = changes_of(event)
    assert (change.old_values["state"], change.new_values["state"]) == ("scheduled", "destroyed")


def test_a_cancelled_destruction_leaves_the_version_disabled(admin, rotated_once):
    schedule_version(admin, rotated_once)
    with pytest.raises(IllegalTransition, match="already scheduled"):
        schedule_version(admin, rotated_once)
    row = keep_version(admin, rotated_once)
    assert (row.state, row.destruction_at) == ("disabled", None)
    with pytest.raises(IllegalTransition):
        keep_version(admin, rotated_once)


def test_the_primary_version_and_those_of_a_protected_key_stay(admin, rotated_once):
    with pytest.raises(IllegalTransition, match="Rotate the key first"):
        schedule_version(admin, rotated_once, version=2)
    editing.update_key(
        principal=admin.principal, key_id=rotated_once.id, changes={"deletion_protection": True}
    )
    with pytest.raises(IllegalTransition, match="deletion protection"):
        schedule_version(admin, rotated_once)


@pytest.mark.parametrize("operation", [states.enable_version, states.disable_version])
def test_a_scheduled_version_is_neither_enabled_nor_disabled(admin, rotated_once, operation):
    schedule_version(admin, rotated_once)
    with pytest.raises(IllegalTransition, match="Version 1 is scheduled for destruction"):
        operation(principal=admin.principal, key_id=rotated_once.id, version=1, reason="test")


def test_a_scheduled_key_does_not_rotate(admin, key):
    schedule_deletion(admin, key)
    with pytest.raises(KeyNotActive):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")


@pytest.mark.django_db(transaction=True)
def test_either_the_cancellation_or_the_simultaneous_destruction_succeeds(admin, new_key):
    for _ in range(5):
        key = new_key()
        schedule_deletion(admin, key)
        end_wait(key)
        barrier = Barrier(3)
        with ThreadPoolExecutor(3) as pool:
            destroyers = [pool.submit(destroy_at, barrier) for _ in range(2)]
            cancelled = pool.submit(cancel_at, barrier, admin, key).result()
            destroyed = sum(each.result() for each in destroyers)
        state = Key.objects.get(pk=key.pk).check_mac().state
        assert (state, destroyed) == (("suspended", 0) if cancelled else ("destroyed", 1))


def destroy_at(barrier):
    """Return how many keys this thread destroyed."""
    connection.ensure_connection()  # so that no thread starts later than the others
    barrier.wait()
    try:
        return len([due for due in destroy() if due.error is None])
    finally:
        connection.close()


def cancel_at(barrier, admin, key):
    """Cancel by a clock that has not reached the end of the wait, so that the first thread to lock the key wins."""
    with running_from(database_now() - timedelta(minutes=1)):
        barrier.wait()
        try:
            cancel(admin, key)
        except IllegalTransition:
            return False
        finally:
            connection.close()
    return True
