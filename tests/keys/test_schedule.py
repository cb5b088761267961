from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.errors import Invalid
from kernel.outbox.models import Notification
from keys import schedule
from keys.deletion import services as deletion
from keys.models import Key, KeyRotation, KeyRotationJob, KeyVersion
from keys.models.rotation_policy import MAX_USES
from keys.policies.services import changing
from keys.rotation.services import rotating, used_up
from keys.rotation.services.rotating import RETRY_AFTER
from keys.states import services as states
from tests.factories import UsageFactory
from tests.keys.steps import age, version_of
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
SYSTEM = Principal.system("tests", "scheduler")


@pytest.fixture
def ruled_key(new_key, new_policy):
    """A key under a policy with these rotation rules."""

    def create(algorithm="aes-256", **rules):
        policy = new_policy(
            name=f"policy-{len(rules)}-{algorithm}", algorithm=algorithm, rotation_policy=rules
        )
        return new_key(algorithm=algorithm, policy_id=policy.id)

    return create


def run_all():
    for function in schedule.PERIODIC.values():
        function()


def test_the_schedule_rotates_due_keys_as_the_system(due_key, new_key, events_of):
    due, other = due_key(), new_key(rotation_period_days=30)
    run_all()
    run_all()
    assert (version_of(due), version_of(other)) == (2, 1)
    event = events_of(due)[-1]
    assert (event.actor_type, event.actor_name, event.source) == ("system", "rotate_due_keys", "scheduler")
    rotation = KeyRotation.objects.get()
    assert (rotation.status, rotation.rotation_reason, rotation.requester.id) == (
        "completed",
        "rotation is due",
        None,
    )


def test_many_due_keys_are_one_job(due_key):
    keys = [due_key() for _ in range(schedule.FEW + 1)]
    schedule.rotate_due()
    schedule.rotate_due()
    job = KeyRotationJob.objects.get()
    assert (job.selection, job.status, job.created_by_name) == ("due", "pending", "rotate_due_keys")
    assert {version_of(key) for key in keys} == {1}
    KeyRotationJob.objects.update(selection="keys")  # an unfinished job for other keys
    schedule.rotate_due()
    KeyRotationJob.objects.update(selection="due", status="succeeded", finished_at=database_now())
    schedule.rotate_due()
    assert KeyRotationJob.objects.count() == 3


def test_a_few_due_keys_are_rotated_at_once(due_key):
    keys = [due_key() for _ in range(schedule.FEW)]
    schedule.rotate_due()
    assert {version_of(key) for key in keys} == {2}
    assert not KeyRotationJob.objects.exists()


def test_a_key_whose_rotation_failed_waits_for_an_hour(due_key):
    broken = due_key()
    Key.objects.filter(pk=broken.pk).update(row_mac="")
    schedule.rotate_due()
    schedule.rotate_due()
    rotation = KeyRotation.objects.get()
    assert (rotation.status, rotation.error_code, rotation.job_id) == ("failed", "integrity_failed", None)
    KeyRotation.objects.update(rotated_at=database_now() - RETRY_AFTER)
    schedule.rotate_due()
    assert KeyRotation.objects.count() == 2


def test_a_version_that_was_made_after_a_failure_does_not_wait(due_key, admin):
    key = due_key()
    mac = key.row_mac
    Key.objects.filter(pk=key.pk).update(row_mac="")
    schedule.rotate_due()
    Key.objects.filter(pk=key.pk).update(row_mac=mac)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="by hand")
    Key.objects.filter(pk=key.pk).update(next_rotation_at=database_now())
    schedule.rotate_due()
    assert version_of(key) == 3


def test_a_deterministic_key_rotates_by_hand_only(ruled_key, new_key, admin):
    with pytest.raises(Invalid) as refusal:
        new_key(algorithm="aes-256-siv", rotation_period_days=30)
    assert refusal.value.fields == {
        "rotation_period_days": ["Keys of type aes-256-siv do not rotate automatically."]
    }
    key = ruled_key("aes-256-siv", every_days=1, after_uses=1, after_bytes=1)
    age(key, 400 * DAY)
    UsageFactory(key=key, size=10)
    changing.update_policy(
        principal=admin.principal, policy_id=key.policy_id, changes={"rotation_policy": {"every_days": 2}}
    )
    run_all()
    used_up.mark_used_up()
    stored = Key.objects.get(pk=key.pk)
    assert (stored.primary_version, stored.next_rotation_at) == (1, None)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="by hand")
    assert Key.objects.get(pk=key.pk).next_rotation_at is None


@pytest.mark.parametrize(("reserved", "expected"), [(999_999, 1), (1_000_000, 2)])
def test_a_key_rotates_after_the_uses_of_its_policy(ruled_key, new_key, reserved, expected):
    key, without_policy = ruled_key(after_uses=1_000_000), new_key()
    for each in (key, without_policy):
        KeyVersion.objects.filter(key=each).update(uses_reserved=reserved)
        age(each, DAY)
    schedule.rotate_due()
    assert (version_of(key), version_of(without_policy)) == (expected, 1)


def test_every_key_rotates_before_its_invocations_end(key):
    KeyVersion.objects.filter(key=key).update(uses_reserved=MAX_USES)
    age(key, DAY)
    schedule.rotate_due()
    assert version_of(key) == 2


def test_the_schedule_leaves_a_version_for_an_hour_but_the_service_does_not(ruled_key):
    key = ruled_key(after_uses=1)
    KeyVersion.objects.filter(key=key).update(uses_reserved=65_536)
    schedule.rotate_due()
    assert version_of(key) == 1
    used_up.mark_used_up()
    assert Key.objects.get(pk=key.pk).next_rotation_at is not None
    schedule.rotate_due()
    assert version_of(key) == 2


def test_a_key_rotates_after_the_bytes_of_its_policy(ruled_key):
    key = ruled_key(after_bytes=1000)
    age(key, DAY)
    UsageFactory(key=key, size=600)
    UsageFactory(key=key, size=600, version=2)
    UsageFactory(key=key, size=600, outcome="denied")
    UsageFactory(key=key, size=600, operation="crypto.message.decrypted")
    schedule.rotate_due()
    assert version_of(key) == 1
    UsageFactory(key=key, size=400, operation="crypto.stream.encrypted")
    schedule.rotate_due()
    assert version_of(key) == 2


def test_a_key_that_was_rotated_meanwhile_is_not_marked(ruled_key, admin, monkeypatch):
    key = ruled_key(after_uses=1)
    KeyVersion.objects.filter(key=key).update(uses_reserved=65_536)
    found = used_up.find_used_up()
    assert found == {(key.id, 1)}
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="by hand")
    monkeypatch.setattr("keys.rotation.services.used_up.find_used_up", lambda **_: found)
    used_up.mark_used_up()
    assert Key.objects.get(pk=key.pk).next_rotation_at is None


def test_activations_and_expiries_are_recorded_once(new_key, let_time_pass, events_of, changes_of):
    now = database_now()
    both = new_key(activates_at=now + DAY, expires_at=now + 2 * DAY, rotation_period_days=30)
    begun, later = new_key(activates_at=now + DAY), new_key(activates_at=now + DAY)
    let_time_pass(both, expired=True)
    let_time_pass(begun)
    run_all()
    run_all()
    assert [event.action for event in events_of(both)] == [
        "keys.key.created",
        "keys.key.activated",
        "keys.key.expired",
    ]
    assert events_of(begun)[-1].action == "keys.key.activated"
    stored = Key.objects.get(pk=both.pk).check_mac()
    assert (stored.state, stored.next_rotation_at) == ("active", None)
    assert stored.lifecycle_state(database_now()).status == "expired"
    assert Key.objects.get(pk=begun.pk).check_mac().state == "active"
    assert Key.objects.get(pk=later.pk).state == "pre_activation"
    _, activated, expired = events_of(both)
    assert (expired.actor_name, expired.source) == ("record_clock_changes", "scheduler")
    changed = [
        (row.action, set(row.new_values)) for event in (activated, expired) for row in changes_of(event)
    ]
    assert changed == [("update", {"state", "row_seq"}), ("update", {"row_seq"})]


def test_changes_by_the_clock_are_checked_again_before_each_is_recorded(new_key, let_time_pass):
    begun = [new_key(name=name, activates_at=database_now() + DAY) for name in ("a-key", "b-key")]
    ended = [new_key(name=name, expires_at=database_now() + DAY) for name in ("c-key", "d-key", "e-key")]
    for key in (*begun, *ended):
        let_time_pass(key, expired=key in ended)
    activations, expiries = (
        record(principal=SYSTEM) for record in (states.record_activations, states.expire_keys)
    )
    assert [next(activations).key, next(expiries).key] == [begun[0], ended[0]]
    for key, column in ((begun[1], "activates_at"), (ended[1], "expires_at")):
        row = Key.objects.get(pk=key.pk)
        setattr(row, column, database_now() + DAY)
        row.save_with_mac()
    assert [change.key for change in states.expire_keys(principal=SYSTEM)] == [ended[2]]
    assert [*activations, *expiries] == []


def test_a_failure_stops_neither_the_other_keys_nor_the_later_functions(
    new_key, let_time_pass, due_key, caplog
):
    broken, sound = (new_key(name=name, activates_at=database_now() + DAY) for name in ("a-key", "b-key"))
    due = due_key()
    for key in (broken, sound):
        let_time_pass(key)
    Key.objects.filter(pk=broken.pk).update(row_mac="")
    run_all()
    assert Key.objects.get(pk=sound.pk).state == "active"
    assert version_of(due) == 2
    assert "a change of state was not recorded: integrity_failed" in caplog.text


def test_an_overdue_destruction_is_published_once_a_day(admin, new_key, monkeypatch, caplog):
    overdue, late = new_key(name="a-key"), new_key(name="b-key")
    for key, ago in ((overdue, 2), (late, 0.5)):
        deletion.schedule_deletion(
            principal=admin.principal, key_id=key.id, reason="test", confirm_name=key.name, waiting_days=7
        )
        # The MAC covers the time, so neither can be destroyed.
        Key.objects.filter(pk=key.pk).update(deletion_at=database_now() - timedelta(hours=ago))
    schedule.destroy_due()
    schedule.destroy_due()
    overdue_ones = Notification.objects.filter(topic="key.destruction_overdue")
    found = overdue_ones.get()
    assert (found.object_name, found.severity) == ("a-key", "critical")
    assert (found.object_type, found.object_id, found.facts["version"]) == ("key", str(overdue.id), None)
    assert "a key was not destroyed: integrity_failed" in caplog.text
    assert found.sentence.endswith("and still exists (integrity_failed).")
    now = database_now() + DAY
    monkeypatch.setattr(schedule, "database_now", lambda: now)
    schedule.destroy_due()
    assert overdue_ones.filter(object_name="a-key").count() == 2


def test_nothing_due_costs_a_few_statements(new_key, connection_queries):
    for _ in range(3):
        new_key(rotation_period_days=30, expires_at=database_now() + DAY)
    with connection_queries() as statements:
        run_all()
    assert len([each for each in statements if "clock_timestamp" not in each["sql"]]) <= 9


@pytest.mark.django_db(transaction=True)
def test_two_schedules_at_once_do_everything_once(due_key, new_key, let_time_pass, events_of):
    due = [due_key() for _ in range(6)]
    begun = [new_key(activates_at=database_now() + DAY) for _ in range(4)]
    for key in begun:
        let_time_pass(key)
    starting_line = Barrier(2)

    def attempt():
        starting_line.wait()
        try:
            run_all()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(attempt) for _ in range(2)]:
            future.result()
    assert {version_of(key) for key in due} == {2}
    assert KeyRotation.objects.count() == 6
    assert log_rows().filter(action="keys.key.activated").count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_schedules_at_once_request_one_job(due_key):
    for _ in range(schedule.FEW + 1):
        due_key()
    starting_line = Barrier(2)

    def attempt():
        starting_line.wait()
        try:
            schedule.rotate_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(attempt) for _ in range(2)]:
            future.result()
    assert KeyRotationJob.objects.count() == 1
