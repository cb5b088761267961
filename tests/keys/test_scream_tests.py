"""A key that is disabled for a limited time enables itself, even if no process runs when the time ends."""

from datetime import timedelta
from itertools import product

import pytest

from kernel.clock import database_now
from kernel.demo_clock import running_from
from kernel.errors import Invalid
from kernel.trust.row_mac import IntegrityFailed
from keys import schedule
from keys.deletion import services as deletion
from keys.errors import IllegalTransition, KeyNotActive
from keys.lifecycle import State, Status
from keys.models import Key
from keys.reading import services as reading
from keys.ring import keyring
from keys.rotation.services import rotating
from keys.states import services
from tests.keys.steps import schedule_deletion, succeed

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

MINUTE, TICK = timedelta(minutes=1), timedelta(microseconds=1)


@pytest.fixture
def suspend(admin):
    """Disable a key for a minute that began so long ago."""

    def begin(key, ago=timedelta()):
        with running_from(database_now() - ago):
            return services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=1)

    return begin


def stored(key):
    return Key.objects.get(pk=key.pk).check_mac()


@pytest.mark.parametrize("minutes", [0, 61, -1])
def test_a_test_lasts_one_to_sixty_minutes(admin, key, minutes):
    with pytest.raises(Invalid) as refusal:
        services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=minutes)
    assert refusal.value.fields == {"minutes": ["Must be 1 to 60 minutes."]}
    assert stored(key).state == State.ACTIVE


@pytest.mark.parametrize("minutes", [1, 60])
def test_its_end_is_in_the_row_and_in_the_log(admin, key, events_of, changes_of, minutes):
    before = database_now()
    changed = services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=minutes)
    assert minutes * MINUTE <= changed.resumes_at - before < (minutes + 1) * MINUTE
    assert (changed.state, stored(key).resumes_at) == (State.SUSPENDED, changed.resumes_at)
    event = events_of(key)[-1]
    [change] = changes_of(event)
    assert f'"resumes_at":"{change.new_values["resumes_at"]}"' in event.meta
    assert (change.old_values["resumes_at"], change.new_values["state"]) == (None, "suspended")


def test_the_cached_key_changes_at_the_exact_end(admin, key, suspend):
    end = suspend(key).resumes_at
    entry = keyring.find_current(key.id, admin.principal)
    with pytest.raises(KeyNotActive):
        entry.require_protect(end - TICK)
    assert entry.require_protect(end).number == entry.require_process(1, end).number == 1


def test_the_database_selects_keys_by_status_as_python_does(admin, new_key):
    now = database_now()
    times = (None, now - TICK, now, now + TICK)
    for number, (expires_at, resumes_at) in enumerate(product(times, times)):
        columns = {"state": State.SUSPENDED, "expires_at": expires_at, "resumes_at": resumes_at}
        new_key(name=f"key-{number}", columns=columns)
    keys = list(Key.objects.visible_to(admin.principal))
    for moment, status in product((now - TICK, now, now + TICK), Status):
        selected = set(Key.objects.with_status(status, moment).values_list("pk", flat=True))
        assert selected == {key.pk for key in keys if key.lifecycle_state(moment).status is status}


def test_the_schedule_records_the_end_once_and_then_the_expiry(new_key, suspend, let_time_pass, events_of):
    key, other = new_key(expires_at=database_now() + MINUTE), new_key()
    suspend(key, 2 * MINUTE)
    suspend(other)
    let_time_pass(key, expired=True)
    for _ in range(2):
        schedule.record_clock_changes()
    assert [event.action for event in events_of(key)[-3:]] == [
        "keys.key.disabled",
        "keys.key.enabled",
        "keys.key.expired",
    ]
    enabled = events_of(key)[-2]
    assert (enabled.actor_name, enabled.source) == ("record_clock_changes", "scheduler")
    assert '"reason":"scream test has ended"' in enabled.meta
    assert (stored(key).state, stored(key).resumes_at) == (State.ACTIVE, None)
    assert stored(key).expiry_recorded_at is not None
    assert stored(other).state == State.SUSPENDED


def test_enabling_ends_a_test_early(admin, key, suspend):
    suspend(key)
    services.enable_key(principal=admin.principal, key_id=key.id, reason="enough")
    assert (stored(key).state, stored(key).resumes_at) == (State.ACTIVE, None)


def test_a_running_test_cannot_be_replaced_but_an_ended_one_can(admin, key, suspend):
    suspend(key)
    for minutes in (None, 1):
        with pytest.raises(IllegalTransition):
            services.disable_key(principal=admin.principal, key_id=key.id, reason="test", minutes=minutes)
    services.enable_key(principal=admin.principal, key_id=key.id, reason="test")
    suspend(key, 2 * MINUTE)
    services.disable_key(principal=admin.principal, key_id=key.id, reason="for good")
    assert (stored(key).state, stored(key).resumes_at) == (State.SUSPENDED, None)


@pytest.mark.parametrize(("ago", "kept"), [(timedelta(), "suspended"), (2 * MINUTE, "active")])
def test_a_scheduled_deletion_keeps_no_end(admin, new_key, suspend, ago, kept):
    key = new_key()
    suspend(key, ago)
    schedule_deletion(admin, key)
    assert (stored(key).state_before_deletion, stored(key).resumes_at) == (kept, None)
    deletion.cancel_deletion(principal=admin.principal, key_id=key.id, reason="test")
    assert stored(key).lifecycle_state(database_now()).status is Status.DISABLED


def test_other_transitions_keep_no_end(admin, new_key, suspend):
    for compromised in (False, True):
        key = new_key()
        suspend(key)
        services.revoke_key(principal=admin.principal, key_id=key.id, reason="test", compromised=compromised)
        assert stored(key).resumes_at is None


def test_a_key_whose_test_has_ended_rotates_and_is_replaced_like_an_active_one(admin, key, suspend):
    suspend(key, 2 * MINUTE)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    assert stored(key).primary_version == 2
    succeed(admin, key)
    assert (stored(key).state, stored(key).resumes_at) == (State.DEACTIVATED, None)


def test_an_altered_end_is_noticed(admin, key, suspend):
    end = suspend(key).resumes_at
    for altered in (None, end - MINUTE):
        Key.objects.filter(pk=key.pk).update(resumes_at=altered)
        with pytest.raises(IntegrityFailed):
            reading.get_key(principal=admin.principal, key_id=key.id)


def test_the_end_of_a_suspension_needs_a_mac_that_covers_it(key):
    row = stored(key)
    row.state, row.resumes_at = State.SUSPENDED, database_now()
    with pytest.raises(IntegrityFailed):
        row.older_mac_fields(4)


def test_the_api_takes_minutes_and_shows_the_end(admin, key):
    path = f"/api/v1/keys/{key.id}"
    for minutes in (0, 61, "soon"):
        refused = admin.api.post(f"{path}/disable", {"reason": "test", "minutes": minutes})
        assert (refused.status, list(refused.json["errors"])) == (400, ["minutes"])
    changed = admin.api.post(f"{path}/disable", {"reason": "test", "minutes": 5})
    assert (changed.status, changed.json["status"]) == (200, "disabled")
    shown = admin.api.get(path).json
    assert shown["resumes_at"] == changed.json["resumes_at"] is not None
    enabled = admin.api.post(f"{path}/enable", {"reason": "test"})
    assert (enabled.json["status"], enabled.json["resumes_at"]) == ("active", None)
