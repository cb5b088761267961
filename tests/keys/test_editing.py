from datetime import timedelta

import pytest
import time_machine

from kernel.clock import database_now
from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import read_epoch
from keys.editing import services as editing
from keys.errors import IllegalTransition
from keys.models import Key
from keys.reading import services as reading
from keys.rotation.services import rotating
from keys.states import services as states

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def update(person, key, **changes):
    return editing.update_key(principal=person.principal, key_id=key.id, changes=changes)


def test_each_field_changes_and_the_others_stay(admin, new_key):
    key = new_key(description="old", tags=["a"])
    expires_at = database_now() + HOUR
    update(admin, key, description="new", expires_at=expires_at)
    changed = Key.objects.get(pk=key.pk).check_mac()
    assert (changed.description, changed.tags, changed.expires_at) == ("new", ["a"], expires_at)


def test_only_what_changed_is_recorded(admin, new_key, events_of, changes_of):
    key = new_key(tags=["a"])
    epoch = read_epoch()
    update(admin, key, tags=["b"])
    event = events_of(key)[-1]
    (change,) = changes_of(event)
    assert event.action == "keys.key.updated"
    assert change.old_values == {"tags": ["a"], "row_seq": 1}
    assert change.new_values == {"tags": ["b"], "row_seq": 2}
    assert read_epoch() == epoch + 1


def test_an_update_that_changes_nothing_is_no_event(admin, new_key, events_of):
    key = new_key(description="same", tags=["a"])
    epoch = read_epoch()
    update(admin, key, description="same", tags=["a"], expires_at=None, rotation_period_days=None)
    assert read_epoch() == epoch
    assert len(events_of(key)) == 1


def test_a_search_finds_the_new_words_and_not_the_old(admin, new_key):
    key = new_key(description="apples")
    update(admin, key, description="pears")
    found = reading.list_keys(principal=admin.principal, only={"search": "pears"})
    assert list(found) == [key]
    assert not reading.list_keys(principal=admin.principal, only={"search": "apples"})


def test_an_expiry_that_has_passed_cannot_be_moved(admin, new_key, let_time_pass):
    key = new_key(expires_at=database_now() + HOUR)
    let_time_pass(key, expired=True)
    for later in (database_now() + HOUR, None):
        with pytest.raises(IllegalTransition) as refusal:
            update(admin, key, expires_at=later)
        assert refusal.value.extra["key_status"] == "expired"
    expires_at = Key.objects.get(pk=key.pk).expires_at
    assert expires_at < database_now()
    with time_machine.travel(expires_at, tick=False), pytest.raises(IllegalTransition):
        update(admin, key, expires_at=None)


def test_an_expiry_that_passed_while_disabled_cannot_be_moved_either(admin, new_key, let_time_pass):
    key = new_key(expires_at=database_now() + HOUR)
    states.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    let_time_pass(key, expired=True)
    with pytest.raises(IllegalTransition):
        update(admin, key, expires_at=database_now() + HOUR)


def test_an_expiry_ahead_can_be_moved_and_removed(admin, new_key):
    key = new_key(expires_at=database_now() + HOUR)
    assert update(admin, key, expires_at=database_now() + 2 * HOUR).expires_at > database_now() + HOUR
    assert update(admin, key, expires_at=None).expires_at is None


def test_an_expiry_is_not_moved_into_the_past(admin, key):
    with pytest.raises(Invalid) as refusal:
        update(admin, key, expires_at=database_now() - HOUR)
    assert set(refusal.value.fields) == {"expires_at"}


def test_an_expired_key_can_still_be_described(admin, new_key, let_time_pass):
    key = new_key(expires_at=database_now() + HOUR)
    let_time_pass(key, expired=True)
    assert update(admin, key, description="kept for the archive").description == "kept for the archive"


def test_a_new_rotation_period_counts_from_the_last_rotation(admin, key):
    rotation = rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    changed = update(admin, key, rotation_period_days=7)
    assert changed.next_rotation_at == rotation.rotated_at + timedelta(days=7)
    assert update(admin, key, rotation_period_days=None).next_rotation_at is None


@pytest.mark.parametrize(
    "changes", [{"tags": ["", "a"]}, {"description": "\x00"}, {"rotation_period_days": 0}]
)
def test_the_service_itself_refuses_bad_values(admin, key, changes):
    with pytest.raises(Invalid) as refusal:
        update(admin, key, **changes)
    assert set(refusal.value.fields) == set(changes)


def test_the_minimum_version_is_one_that_the_key_has(admin, rotated_once):
    for minimum in (0, 3):
        with pytest.raises(Invalid) as refusal:
            update(admin, rotated_once, min_decryption_version=minimum)
        assert set(refusal.value.fields) == {"min_decryption_version"}
    for minimum in (2, 1):
        assert update(admin, rotated_once, min_decryption_version=minimum).min_decryption_version == minimum


def test_a_stranger_finds_no_key_to_edit(developer, allowed_stranger, new_key):
    key = new_key(principal=developer.principal)
    with pytest.raises(NotFound):
        update(allowed_stranger, key, description="mine")
    assert Key.objects.get(pk=key.pk).description == ""
