from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from kernel.clock import database_now
from kernel.errors import Invalid, NotFound, VersionConflict
from kernel.freshness.epoch import read_epoch
from keys.errors import KeyNotActive
from keys.models import Key, KeyRotation, KeyVersion
from keys.ring import keyring
from keys.rotation.services import rotating
from keys.states import services as states

pytestmark = pytest.mark.django_db


def rotate(person, key, **order):
    return rotating.rotate_key(principal=person.principal, key_id=key.id, reason="test", **order)


def test_rotation_adds_a_primary_version_and_keeps_the_id(admin, key):
    rotation = rotate(admin, key)
    assert (rotation.old_version, rotation.new_version, rotation.status) == (1, 2, "completed")
    assert rotation.old_key_id == rotation.new_key_id == key.id
    assert rotation.rotated_by_id == admin.user.id
    assert list(key.versions.order_by("version").values_list("version", "is_primary")) == [
        (1, False),
        (2, True),
    ]
    assert Key.objects.get(pk=key.pk).check_mac().primary_version == 2


def test_rotation_is_recorded_and_raises_the_epoch(admin, key, events_of, changes_of):
    epoch = read_epoch()
    rotate(admin, key)
    event = events_of(key)[-1]
    assert (event.action, event.object_version) == ("keys.key.rotated", 2)
    assert read_epoch() == epoch + 1
    changed, inserted = changes_of(event)
    assert changed.old_values["primary_version"] == 1
    assert changed.new_values["primary_version"] == 2
    assert (inserted.table_name, inserted.action) == ("key_versions", "insert")


def test_rotation_starts_the_period_anew(admin, new_key):
    key = new_key(rotation_period_days=30)
    rotation = rotate(admin, key)
    assert Key.objects.get(pk=key.pk).next_rotation_at == rotation.rotated_at + timedelta(days=30)


def test_the_version_that_was_seen_must_be_the_primary_one(admin, key):
    rotate(admin, key, expected_version=1)
    with pytest.raises(VersionConflict) as refusal:
        rotate(admin, key, expected_version=1)
    assert refusal.value.code == "version_conflict"
    assert refusal.value.extra["primary_version"] == 2
    assert refusal.value.extra["key_status"] == "active"
    assert KeyRotation.objects.count() == 1


@pytest.mark.parametrize("end", ["disable_key", "revoke_key"])
def test_a_key_that_is_not_active_is_not_rotated(admin, key, end):
    getattr(states, end)(principal=admin.principal, key_id=key.id, reason="test")
    with pytest.raises(KeyNotActive):
        rotate(admin, key)
    assert key.versions.count() == 1


def test_an_expired_key_is_not_rotated(admin, new_key, let_time_pass):
    key = new_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(key, expired=True)
    with pytest.raises(KeyNotActive) as refusal:
        rotate(admin, key)
    assert refusal.value.extra["key_status"] == "expired"


def test_rotation_asks_for_a_reason(admin, key):
    with pytest.raises(Invalid):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="")


def test_a_stranger_finds_no_key_to_rotate(developer, allowed_stranger, new_key):
    key = new_key(principal=developer.principal)
    with pytest.raises(NotFound):
        rotate(allowed_stranger, key)
    assert key.versions.count() == 1


def test_the_database_refuses_a_second_primary_version(admin, key):
    rotate(admin, key)
    with pytest.raises(IntegrityError), transaction.atomic():
        KeyVersion.objects.filter(key=key).update(is_primary=True)


@pytest.mark.django_db(transaction=True)
def test_exactly_one_of_32_rotations_of_the_same_version_succeeds(admin, key):
    starting_line = Barrier(32)

    def attempt():
        starting_line.wait()
        try:
            return rotate(admin, key, expected_version=1)
        except VersionConflict:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        outcomes = [future.result() for future in [pool.submit(attempt) for _ in range(32)]]
    assert len([rotation for rotation in outcomes if rotation]) == 1
    assert key.versions.count() == 2
    assert Key.objects.get(pk=key.pk).check_mac().primary_version == 2
    assert keyring.find(key.id, admin.principal).primary_version == 2


@pytest.mark.django_db(transaction=True)
def test_rotations_that_expect_nothing_queue_up_without_a_gap(admin, key):
    def attempt():
        try:
            rotate(admin, key)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(attempt) for _ in range(8)]:
            future.result()
    assert list(key.versions.order_by("version").values_list("version", flat=True)) == list(range(1, 10))
    assert key.versions.get(is_primary=True).version == 9
