"""Sentences about the states of keys."""

import pytest

from keys.explanations import meaning
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
