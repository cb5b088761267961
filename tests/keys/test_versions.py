import pytest

from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import read_epoch
from keys.errors import IllegalTransition
from keys.rotation.services import rotating
from keys.states import services as states

pytestmark = pytest.mark.django_db


def disable(person, key, version, reason="test"):
    return states.disable_version(principal=person.principal, key_id=key.id, version=version, reason=reason)


def enable(person, key, version):
    return states.enable_version(principal=person.principal, key_id=key.id, version=version, reason="test")


def test_an_earlier_version_is_disabled_and_enabled(admin, rotated_once, events_of, changes_of):
    epoch = read_epoch()
    assert disable(admin, rotated_once, 1).check_mac().state == "disabled"
    assert enable(admin, rotated_once, 1).check_mac().state == "enabled"
    assert read_epoch() == epoch + 2
    disabled, enabled = events_of(rotated_once)[-2:]
    assert (disabled.action, disabled.object_version) == ("keys.version.disabled", 1)
    assert (enabled.action, enabled.object_version) == ("keys.version.enabled", 1)
    assert changes_of(disabled)[0].new_values["state"] == "disabled"


def test_the_primary_version_is_not_disabled(admin, rotated_once):
    with pytest.raises(IllegalTransition) as refusal:
        disable(admin, rotated_once, 2)
    assert refusal.value.extra["primary_version"] == 2


def test_only_a_disabled_version_is_enabled(admin, rotated_once):
    with pytest.raises(IllegalTransition):
        enable(admin, rotated_once, 1)


@pytest.mark.parametrize("change", [enable, disable])
def test_a_destroyed_version_stays_destroyed(admin, rotated_once, change):
    version = rotated_once.versions.get(version=1)
    version.wrapped, version.state = b"", "destroyed"
    version.save_with_mac()
    with pytest.raises(IllegalTransition, match="is destroyed"):
        change(admin, rotated_once, 1)


def test_a_disabled_version_is_not_disabled_again(admin, rotated_once):
    disable(admin, rotated_once, 1)
    with pytest.raises(IllegalTransition):
        disable(admin, rotated_once, 1)


@pytest.mark.parametrize("number", [0, 3, 2**31, 2**70])
def test_a_version_that_does_not_exist_is_not_found(admin, rotated_once, number):
    with pytest.raises(NotFound):
        disable(admin, rotated_once, number)


def test_a_version_is_not_disabled_without_a_reason(admin, rotated_once):
    with pytest.raises(Invalid):
        disable(admin, rotated_once, 1, reason="")


def test_a_stranger_finds_no_version(developer, admin, allowed_stranger, new_key):
    key = new_key(principal=developer.principal)
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    with pytest.raises(NotFound):
        disable(allowed_stranger, key, 1)
    with pytest.raises(NotFound):
        enable(allowed_stranger, key, 1)
