from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from keys import lifecycle
from keys.errors import IllegalTransition, KeyNotActive, KeyNotUsable
from keys.lifecycle import LifecycleState, State, Status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(microseconds=1), NOW + timedelta(microseconds=1)

ALLOWED = {
    ("pre_activation", "active"),
    ("pre_activation", "deletion_scheduled"),
    ("pre_activation", "compromised"),
    ("active", "suspended"),
    ("active", "deactivated"),
    ("active", "compromised"),
    ("active", "deletion_scheduled"),
    ("suspended", "active"),
    ("suspended", "deactivated"),
    ("suspended", "compromised"),
    ("suspended", "deletion_scheduled"),
    ("deactivated", "compromised"),
    ("deactivated", "deletion_scheduled"),
    ("compromised", "deletion_scheduled"),
    ("deletion_scheduled", "destroyed"),
}


def at(state: State) -> LifecycleState:
    return lifecycle.lifecycle_state(state, None, None, NOW)


@pytest.mark.parametrize(("origin", "to"), list(product(State, State)))
def test_every_pair_of_states_is_allowed_or_refused_as_the_table_says(origin, to):
    if (origin.value, to.value) in ALLOWED:
        lifecycle.check_transition(at(origin), to)
        return
    with pytest.raises(IllegalTransition) as refusal:
        lifecycle.check_transition(at(origin), to)
    assert refusal.value.extra["state"] == origin.value
    assert origin.value in refusal.value.detail


def test_a_deactivated_or_compromised_key_never_becomes_active_again():
    assert [origin for origin in State if State.ACTIVE in lifecycle.TRANSITIONS[origin]] == [
        State.PRE_ACTIVATION,
        State.SUSPENDED,
    ]


@pytest.mark.parametrize(
    ("state", "protect", "process", "reencrypt"),
    [
        (State.PRE_ACTIVATION, False, False, False),
        (State.ACTIVE, True, True, True),
        (State.SUSPENDED, False, False, False),
        (State.DEACTIVATED, False, True, True),
        (State.COMPROMISED, False, False, True),
        (State.DELETION_SCHEDULED, False, False, False),
        (State.DESTROYED, False, False, False),
    ],
)
def test_each_state_protects_and_processes_as_the_standard_says(state, protect, process, reencrypt):
    assert lifecycle.may_protect(state) is protect
    assert lifecycle.may_process(state) is process
    assert lifecycle.may_process(state, for_reencryption=True) is reencrypt
    words = [("encrypt", protect), ("decrypt", process), ("reencrypt", reencrypt), ("data_key", protect)]
    assert lifecycle.operations("rsa-3072", "encrypt", state) == [word for word, able in words if able]
    words.append(("derive", protect))
    assert lifecycle.operations("aes-256", "encrypt", state) == [word for word, able in words if able]
    words = [("sign", protect), ("verify", process), ("jwt", protect)]
    assert lifecycle.operations("ed25519", "sign", state) == [word for word, able in words if able]
    words = [("mac", protect), ("verify", process)]
    assert lifecycle.operations("hmac-sha256", "mac", state) == [word for word, able in words if able]


@pytest.mark.parametrize("state", [s for s in State if s is not State.ACTIVE])
def test_a_refusal_to_protect_names_state_and_status(state):
    with pytest.raises(KeyNotActive) as refusal:
        lifecycle.require_protect(at(state))
    assert refusal.value.extra == {"state": state.value, "key_status": at(state).status.value}
    assert refusal.value.code == "key_not_active"


@pytest.mark.parametrize("state", [s for s in State if s not in {State.ACTIVE, State.DEACTIVATED}])
def test_a_refusal_to_process_names_state_and_status(state):
    with pytest.raises(KeyNotUsable) as refusal:
        lifecycle.require_process(at(state))
    assert refusal.value.extra == {"state": state.value, "key_status": at(state).status.value}
    assert refusal.value.code == "key_not_usable"


def test_a_refusal_of_a_replaced_key_names_its_successor():
    with pytest.raises(KeyNotActive) as refusal:
        lifecycle.require_protect(at(State.SUSPENDED), UUID(int=1))
    facts = {"state": "suspended", "key_status": "disabled"}
    assert refusal.value.extra == {**facts, "successor_id": "00000000-0000-0000-0000-000000000001"}


def test_a_permitted_use_is_not_refused():
    lifecycle.require_protect(at(State.ACTIVE))
    lifecycle.require_process(at(State.DEACTIVATED))
    lifecycle.require_process(at(State.COMPROMISED), for_reencryption=True)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.PRE_ACTIVATION, Status.PENDING),
        (State.ACTIVE, Status.ACTIVE),
        (State.SUSPENDED, Status.DISABLED),
        (State.DEACTIVATED, Status.REVOKED),
        (State.COMPROMISED, Status.REVOKED),
        (State.DELETION_SCHEDULED, Status.SCHEDULED),
        (State.DESTROYED, Status.DESTROYED),
    ],
)
def test_each_state_has_its_status_word(state, status):
    assert at(state) == LifecycleState(state, status)


@pytest.mark.parametrize(
    ("state", "activates_at", "expires_at", "expected"),
    [
        (State.PRE_ACTIVATION, AFTER, None, "pending"),
        (State.PRE_ACTIVATION, NOW, None, "active"),
        (State.PRE_ACTIVATION, BEFORE, AFTER, "active"),
        (State.PRE_ACTIVATION, BEFORE, NOW, "expired"),
        (State.PRE_ACTIVATION, None, None, "pending"),
        (State.ACTIVE, AFTER, None, "active"),  # activated manually, before its time
        (State.ACTIVE, None, AFTER, "active"),
        (State.ACTIVE, None, NOW, "expired"),
        (State.SUSPENDED, None, BEFORE, "disabled"),
        (State.DEACTIVATED, None, BEFORE, "revoked"),
        (State.COMPROMISED, None, BEFORE, "revoked"),
        (State.DELETION_SCHEDULED, BEFORE, BEFORE, "scheduled"),
        (State.DESTROYED, BEFORE, BEFORE, "destroyed"),
    ],
)
def test_activation_and_expiry_act_at_their_very_moment(state, activates_at, expires_at, expected):
    assert lifecycle.lifecycle_state(state, activates_at, expires_at, NOW).status == expected


@pytest.mark.parametrize(
    ("state", "expires_at", "resumes_at", "expected"),
    [
        (State.SUSPENDED, None, BEFORE, "active"),
        (State.SUSPENDED, None, NOW, "active"),
        (State.SUSPENDED, None, AFTER, "disabled"),
        (State.SUSPENDED, AFTER, NOW, "active"),
        (State.SUSPENDED, NOW, NOW, "expired"),
        (State.SUSPENDED, BEFORE, AFTER, "disabled"),
        *[(state, None, BEFORE, at(state).status.value) for state in State if state is not State.SUSPENDED],
    ],
)
def test_a_suspension_for_a_limited_time_ends_at_its_very_moment(state, expires_at, resumes_at, expected):
    assert lifecycle.lifecycle_state(state, None, expires_at, NOW, resumes_at).status == expected


def test_a_key_that_expired_is_deactivated_so_it_still_decrypts():
    expired = lifecycle.lifecycle_state(State.ACTIVE, None, BEFORE, NOW)
    assert expired == LifecycleState(State.DEACTIVATED, Status.EXPIRED)
    lifecycle.require_process(expired)
    with pytest.raises(KeyNotActive):
        lifecycle.require_protect(expired)


def test_expiry_does_not_lift_a_suspension():
    suspended = lifecycle.lifecycle_state(State.SUSPENDED, None, BEFORE, NOW)
    with pytest.raises(KeyNotUsable):
        lifecycle.require_process(suspended)


def test_people_read_states_in_words():
    assert [at(state).word for state in (State.COMPROMISED, State.DELETION_SCHEDULED, State.SUSPENDED)] == [
        "compromised",
        "scheduled for deletion",
        "disabled",
    ]
    words = [lifecycle.VersionState.SCHEDULED.word, lifecycle.VersionState.DISABLED.word]
    assert words == ["scheduled for destruction", "disabled"]


def test_a_rotation_is_due_one_period_after_the_material():
    assert lifecycle.next_rotation(30, NOW) == NOW + timedelta(days=30)
    assert lifecycle.next_rotation(None, NOW) is None


@pytest.mark.parametrize(
    ("algorithm", "purpose", "public"),
    [
        ("rsa-3072", "encrypt", ["encrypt", "data_key"]),
        ("ed25519", "sign", ["verify"]),
        ("ml-kem-768", "encapsulate", ["encapsulate"]),
        ("x25519", "agree", []),
    ],
)
def test_a_public_key_alone_allows_what_needs_no_secret(algorithm, purpose, public):
    assert lifecycle.operations(algorithm, purpose, State.ACTIVE, has_private_key=False) == public


def test_a_key_of_an_algorithm_that_protects_nothing_new_only_processes():
    assert lifecycle.operations("rsa-3072", "encrypt", State.ACTIVE, protects=False) == [
        "decrypt",
        "reencrypt",
    ]
