"""Sentences about the states of keys."""

import pytest

from kernel.crypto.algorithms import KEY_ALGORITHMS
from keys.explanations import algorithm_choices, meaning
from keys.lifecycle import LifecycleState, State, Status

ACTIVE = LifecycleState(State.ACTIVE, Status.ACTIVE)
REVOKED = LifecycleState(State.DEACTIVATED, Status.REVOKED)
DISABLED = LifecycleState(State.SUSPENDED, Status.DISABLED)
COMPROMISED = LifecycleState(State.COMPROMISED, Status.REVOKED)


@pytest.mark.parametrize(
    ("at", "purpose", "has_successor", "sentence"),
    [
        (ACTIVE, "encrypt", False, ""),
        (ACTIVE, "encrypt", True, ""),
        (DISABLED, "sign", True, "This key cannot be used until it is enabled again."),
        (REVOKED, "encrypt", False, "This key can only decrypt. Create another key for new data."),
        (REVOKED, "mac", True, "This key can only verify. Use the key that replaced it for new data."),
        (COMPROMISED, "agree", True, "An attacker may have this key"),
    ],
)
def test_the_meaning_of_a_state_names_what_remains_and_the_successor(at, purpose, has_successor, sentence):
    found = meaning(at, purpose, has_successor=has_successor)
    assert found.startswith(sentence)
    assert bool(found) == bool(sentence)


def test_each_purpose_and_algorithm_is_explained():
    for purpose in {kind.purpose for kind in KEY_ALGORITHMS}:
        assert meaning(COMPROMISED, purpose)
        assert meaning(REVOKED, purpose)
        assert meaning(LifecycleState(State.DESTROYED, Status.DESTROYED), purpose)
    choices = algorithm_choices().values()
    assert all(choice.group and choice.facts.endswith(".") for choice in choices)
