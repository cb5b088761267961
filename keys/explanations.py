"""UI texts about keys: the meaning of each state, and the use of each algorithm."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kernel.crypto.algorithms import KEY_ALGORITHMS, KeyAlgorithm
from keys import actions
from keys.lifecycle import LifecycleState, State, Status

RECOMMENDED: Final = "aes-256"

_MEANINGS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PENDING: "This key cannot encrypt or decrypt until it is activated.",
        Status.DISABLED: "This key cannot encrypt or decrypt until it is enabled again.",
        Status.EXPIRED: (
            "This key can only decrypt. You cannot change an expiry date that has passed. Create another key for new data."
        ),
        Status.REVOKED: "This key can only decrypt. Create another key for new data.",
        Status.SCHEDULED: (
            "This key cannot encrypt or decrypt, and no operation except cancelling the deletion is available."
        ),
        Status.DESTROYED: (
            "The key material was deleted. Data encrypted with this key can never be decrypted again. This page and the "
            "history of the key remain."
        ),
    }
)
_COMPROMISED: Final = (
    "An attacker may have this key. It cannot encrypt or decrypt. You can only re-encrypt its data with "
    "another key."
)

# The decision that brought a key into this state. Pages continue with the time and the user.
_DECIDED: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.SUSPENDED: "Disabled",
        State.DEACTIVATED: "Revoked",
        State.COMPROMISED: "Marked as compromised",
        State.DELETION_SCHEDULED: "Scheduled for deletion",
        State.DESTROYED: "Destroyed",
    }
)

_DECIDED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        actions.KEY_DELETION_CANCELLED: "Deletion cancelled",
        actions.VERSION_DISABLED: "Disabled",
        actions.VERSION_DESTRUCTION_SCHEDULED: "Destruction scheduled",
        actions.VERSION_DESTRUCTION_CANCELLED: "Destruction cancelled",
        actions.VERSION_DESTROYED: "Destroyed",
    }
)

# The use of each algorithm. Its row in ``KEY_ALGORITHMS`` holds its technical properties.
_USES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aes-256": "For most uses.",
        "aes-128": "For systems that require AES-128.",
        "chacha20": "For processors without AES hardware support.",
        "aes-256-siv": "For values that you search for. Equal values give equal ciphertexts.",
    }
)


def meaning(at: LifecycleState, *, has_successor: bool = False) -> str:
    """The meaning of the state for callers; "" for an active key, which needs no explanation."""
    if has_successor and at.status in {Status.EXPIRED, Status.REVOKED}:
        return "This key can only decrypt. Encrypt new data with the key that replaced it."
    return _COMPROMISED if at.state is State.COMPROMISED else _MEANINGS.get(at.status, "")


def decision_word(action: str, state: State | None = None) -> str:
    """The word for a decision by its action, otherwise by the ``state`` of the key that it led to."""
    return _DECIDED_BY.get(action) or (_DECIDED.get(state, "") if state else "")


@dataclass(frozen=True, slots=True)
class AlgorithmChoice:
    """An algorithm as shown in the form for a new key."""

    name: str
    use: str
    facts: str
    is_recommended: bool


def algorithm_choices() -> Mapping[str, AlgorithmChoice]:
    return {
        kind.name: AlgorithmChoice(
            kind.name, _USES.get(kind.name, ""), _facts(kind), kind.name == RECOMMENDED
        )
        for kind in KEY_ALGORITHMS.values()
    }


def _facts(kind: KeyAlgorithm) -> str:
    standard = "FIPS-approved" if kind.status == "approved" else "defined by an RFC"
    return f"{kind.key_size} bits, {standard}."
