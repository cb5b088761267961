"""UI texts about keys: their operations, the meaning of each state, and the use of each algorithm."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kernel.crypto.algorithms import KEY_ALGORITHMS, KeyAlgorithm
from keys import actions
from keys.lifecycle import LifecycleState, State, Status

RECOMMENDED: Final = "aes-256"
OPERATION_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "encrypt": "Encrypt",
        "decrypt": "Decrypt",
        "reencrypt": "Re-encrypt",
        "sign": "Sign",
        "verify": "Verify",
        "mac": "Compute MAC",
    }
)

MODE_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {"encrypt": "Mode", "sign": "Signing algorithm", "mac": "MAC algorithm"}
)

_MEANINGS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PENDING: "This key cannot be used until it is activated.",
        Status.DISABLED: "This key cannot be used until it is enabled again.",
        Status.EXPIRED: (
            "This key can only {process}. You cannot change an expiry date that has passed. Create another key for new data."
        ),
        Status.REVOKED: "This key can only {process}. Create another key for new data.",
        Status.SCHEDULED: (
            "This key cannot be used, and no operation except cancelling the deletion is available."
        ),
        Status.DESTROYED: (
            "The key material was deleted. {destroyed} This page and the history of the key remain."
        ),
    }
)
_COMPROMISED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "encrypt": (
            "An attacker may have this key. It cannot encrypt or decrypt. You can only re-encrypt its data with "
            "another key."
        ),
        "sign": "An attacker may have this key and may have signed with it. It can neither sign nor verify.",
        "mac": "An attacker may have this key and may have computed MACs with it. It can neither compute nor verify them.",
    }
)
_PROCESS: Final = MappingProxyType({"encrypt": "decrypt", "sign": "verify", "mac": "verify"})
_DESTROYED: Final = MappingProxyType(
    {
        "encrypt": "Data encrypted with this key can never be decrypted again.",
        "sign": "No one can sign with this key again.",
        "mac": "MACs of this key can never be verified again.",
    }
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

_PURPOSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "encrypt": "Encrypt and decrypt data",
        "sign": "Sign messages, which others can verify",
        "mac": "Authenticate messages with a MAC, which only this server verifies",
    }
)

# The use of each algorithm. Its row in ``KEY_ALGORITHMS`` holds its technical properties.
_USES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aes-256": "For most uses.",
        "aes-128": "For systems that require AES-128.",
        "chacha20": "For processors without AES hardware support.",
        "aes-256-siv": "For values that you search for. Equal values give equal ciphertexts.",
        "hmac-sha256": "For most MACs.",
        "hmac-sha384": "MACs of 48 bytes.",
        "hmac-sha512": "MACs of 64 bytes.",
        "ed25519": "For most signatures. Fast, with short keys and signatures.",
        "ed448": "EdDSA with more security than Ed25519.",
        "ec-p256": "ECDSA. For systems that require NIST curves, such as TLS, JWT and WebAuthn.",
        "ec-p384": "ECDSA with more security than P-256.",
        "ec-p521": "ECDSA with the most security of the NIST curves.",
        "ec-secp256k1": "ECDSA for blockchains.",
        "rsa-3072": "For systems that do not support elliptic curves. Slow.",
        "rsa-4096": "More security than RSA-3072. The slowest.",
        "ml-dsa-44": "Resists attacks with quantum computers. Large signatures.",
        "ml-dsa-65": "Resists attacks with quantum computers, with more security than ML-DSA-44.",
        "ml-dsa-87": "Resists attacks with quantum computers, with the most security.",
    }
)


def meaning(at: LifecycleState, purpose: str, *, has_successor: bool = False) -> str:
    """The meaning of the state for callers; "" for an active key, which needs no explanation."""
    if at.state is State.COMPROMISED:
        return _COMPROMISED[purpose]
    process = _PROCESS[purpose]
    if has_successor and at.status in {Status.EXPIRED, Status.REVOKED}:
        return f"This key can only {process}. Use the key that replaced it for new data."
    return _MEANINGS.get(at.status, "").format(process=process, destroyed=_DESTROYED[purpose])


def decision_word(action: str, state: State | None = None) -> str:
    """The word for a decision by its action, otherwise by the ``state`` of the key that it led to."""
    return _DECIDED_BY.get(action) or (_DECIDED.get(state, "") if state else "")


@dataclass(frozen=True, slots=True)
class AlgorithmChoice:
    """An algorithm as shown in the form for a new key. ``group``: the purpose of its keys, in plain words."""

    name: str
    group: str
    use: str
    facts: str
    is_recommended: bool


def algorithm_choices() -> Mapping[str, AlgorithmChoice]:
    return {
        kind.name: AlgorithmChoice(
            kind.name,
            _PURPOSES[kind.purpose],
            _USES.get(kind.name, ""),
            _facts(kind),
            kind.name == RECOMMENDED,
        )
        for kind in KEY_ALGORITHMS.values()
    }


def _facts(kind: KeyAlgorithm) -> str:
    standard = "FIPS-approved" if kind.status == "approved" else "defined by an RFC or SEC"
    if kind.name.startswith("ml-"):  # the size of its keys says nothing about their strength
        return f"{standard}."
    return f"{kind.key_size} bits, {standard}."
