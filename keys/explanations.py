"""UI texts about keys: the meaning of each state, and the use of each algorithm."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kernel.crypto.algorithms import KEY_ALGORITHMS, KeyAlgorithm
from keys.lifecycle import Standing, State, Status

RECOMMENDED: Final = "aes-256"

_MEANINGS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PENDING: "It neither encrypts nor decrypts before its activation.",
        Status.DISABLED: "It neither encrypts nor decrypts until it is enabled again.",
        Status.EXPIRED: (
            "It decrypts only. An expiry that has passed cannot be moved: create another key for new data."
        ),
        Status.REVOKED: "It decrypts only, for good: create another key for new data.",
        Status.SCHEDULED: "It neither encrypts nor decrypts, and will be destroyed.",
        Status.DESTROYED: "Its material is gone: what it has encrypted cannot be read again.",
    }
)
_COMPROMISED: Final = (
    "Somebody else may have it. It neither encrypts nor decrypts; its messages open only to be encrypted anew "
    "with another key."
)

# The use of each algorithm. Its row in ``KEY_ALGORITHMS`` holds its technical properties.
_USES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aes-256": "For almost everything.",
        "aes-128": "For partners that ask for it.",
        "chacha20": "For processors without AES instructions.",
        "aes-256-siv": "For values to be looked up: equal ones look equal encrypted, too.",
    }
)


def meaning(at: Standing) -> str:
    """The meaning of the state for callers; "" for an active key, which needs no explanation."""
    return _COMPROMISED if at.state is State.COMPROMISED else _MEANINGS.get(at.status, "")


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
    standard = "FIPS-approved" if kind.status == "approved" else "specified by an RFC"
    return f"{kind.key_size} bits, {standard}."
