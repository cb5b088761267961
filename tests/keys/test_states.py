from datetime import timedelta
from itertools import product

import pytest

from kernel.clock import database_now
from kernel.errors import Invalid, NotFound
from kernel.freshness.epoch import read_epoch
from keys.errors import IllegalTransition
from keys.lifecycle import State
from keys.models import Key
from keys.states import services
from tests.factories import PolicyFactory

pytestmark = pytest.mark.django_db

OPERATIONS = {
    "activate": services.activate_key,
    "disable": services.disable_key,
    "enable": services.enable_key,
    "revoke": services.revoke_key,
    "compromise": lambda **order: services.revoke_key(**order, compromised=True),
}
LEADS_TO = {
    ("pre_activation", "activate"): "active",
    ("pre_activation", "compromise"): "compromised",
    ("active", "disable"): "suspended",
    ("active", "revoke"): "deactivated",
    ("active", "compromise"): "compromised",
    ("suspended", "enable"): "active",
    ("suspended", "revoke"): "deactivated",
    ("suspended", "compromise"): "compromised",
    ("deactivated", "compromise"): "compromised",
}
WORDS = {
    "activate": "keys.key.activated",
    "disable": "keys.key.disabled",
    "enable": "keys.key.enabled",
    "revoke": "keys.key.revoked",
    "compromise": "keys.key.revoked",
}


@pytest.fixture
def key_in(new_key):
    def create(state):
        pending = database_now() + timedelta(hours=1) if state == "pre_activation" else None
        key = new_key(activates_at=pending)
        key.state = state
        if state == "deletion_scheduled":
            key.deletion_at = database_now() + timedelta(days=7)
        key.save_with_mac()
        return key

    return create


@pytest.mark.parametrize(("origin", "operation"), list(product([state.value for state in State], OPERATIONS)))
def test_every_operation_in_every_state_moves_the_key_or_is_refused(key_in, admin, origin, operation):
    key = key_in(origin)
    expected = LEADS_TO.get((origin, operation))
    if expected is None:
        with pytest.raises(IllegalTransition) as refusal:
            OPERATIONS[operation](principal=admin.principal, key_id=key.id, reason="test")
        assert refusal.value.extra["state"] == origin
        assert {"state", "key_status"} <= set(refusal.value.extra)
    else:
        OPERATIONS[operation](principal=admin.principal, key_id=key.id, reason="test")
    assert Key.objects.get(pk=key.pk).check_mac().state == (expected or origin)


@pytest.mark.parametrize(("origin", "operation"), list(LEADS_TO))
def test_every_change_is_recorded_and_raises_the_epoch(
    key_in, admin, events_of, changes_of, origin, operation
):
    key = key_in(origin)
    epoch = read_epoch()
    OPERATIONS[operation](principal=admin.principal, key_id=key.id, reason="by the book")
    event = events_of(key)[-1]
    (change,) = changes_of(event)
    assert read_epoch() == epoch + 1
    assert event.action == WORDS[operation]
    assert '"reason":"by the book"' in event.meta
    assert change.old_values["state"] == origin
    assert change.new_values["state"] == LEADS_TO[origin, operation]
    assert change.new_values["row_seq"] == change.old_values["row_seq"] + 1


@pytest.mark.parametrize("operation", ["revoke", "compromise"])
def test_a_revoked_key_is_never_due_for_rotation(new_key, admin, operation):
    key = new_key(rotation_period_days=30)
    OPERATIONS[operation](principal=admin.principal, key_id=key.id, reason="test")
    assert Key.objects.get(pk=key.pk).next_rotation_at is None


def test_a_refused_change_leaves_nothing_behind(key_in, admin, events_of):
    key = key_in("deactivated")
    epoch, entries = read_epoch(), len(events_of(key))
    with pytest.raises(IllegalTransition):
        services.enable_key(principal=admin.principal, key_id=key.id, reason="test")
    assert (read_epoch(), len(events_of(key))) == (epoch, entries)


def test_a_key_that_became_active_by_the_clock_can_be_disabled(new_key, admin, let_time_pass):
    key = new_key(activates_at=database_now() + timedelta(hours=1))
    let_time_pass(key)
    assert services.disable_key(principal=admin.principal, key_id=key.id, reason="test").state == "suspended"


def test_an_expired_key_cannot_be_disabled_or_revoked_again(new_key, admin, let_time_pass):
    key = new_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(key, expired=True)
    for operation in ("disable", "revoke", "enable", "activate"):
        with pytest.raises(IllegalTransition) as refusal:
            OPERATIONS[operation](principal=admin.principal, key_id=key.id, reason="test")
        assert refusal.value.extra == {"state": "deactivated", "key_status": "expired"}


def test_an_expired_key_can_still_be_marked_compromised(new_key, admin, let_time_pass):
    key = new_key(expires_at=database_now() + timedelta(hours=1))
    let_time_pass(key, expired=True)
    assert (
        OPERATIONS["compromise"](principal=admin.principal, key_id=key.id, reason="leak").state
        == "compromised"
    )


def test_a_key_that_expired_while_disabled_is_expired_once_enabled(new_key, admin, let_time_pass):
    key = new_key(expires_at=database_now() + timedelta(hours=1))
    services.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    let_time_pass(key, expired=True)
    enabled = services.enable_key(principal=admin.principal, key_id=key.id, reason="test")
    assert enabled.lifecycle_state(database_now()).status == "expired"


def test_activating_early_shows_since_when(new_key, admin):
    key = new_key(
        activates_at=database_now() + timedelta(days=1), expires_at=database_now() + timedelta(days=2)
    )
    assert (
        services.activate_key(principal=admin.principal, key_id=key.id, reason="now").activates_at
        <= database_now()
    )


def test_activating_early_ends_the_lifetime_under_the_policy_earlier(new_key, admin):
    policy = PolicyFactory(key_lifetime_days=30)
    key = new_key(policy_id=policy.id, activates_at=database_now() + timedelta(days=10))
    assert key.expires_at == key.activates_at + timedelta(days=30)
    active = services.activate_key(principal=admin.principal, key_id=key.id, reason="now")
    assert active.expires_at == active.activates_at + timedelta(days=30)


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_an_operation_without_a_reason_is_refused(key, admin, operation):
    with pytest.raises(Invalid) as refusal:
        OPERATIONS[operation](principal=admin.principal, key_id=key.id, reason="")
    assert set(refusal.value.fields) == {"reason"}


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_a_stranger_finds_no_key_to_act_on(new_key, developer, allowed_stranger, operation):
    key = new_key(principal=developer.principal)
    with pytest.raises(NotFound):
        OPERATIONS[operation](principal=allowed_stranger.principal, key_id=key.id, reason="test")
    assert Key.objects.get(pk=key.pk).row_seq == 1
