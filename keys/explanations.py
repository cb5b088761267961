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
        "encapsulate": "Encapsulate",
        "decapsulate": "Decapsulate",
        "agree": "Agree on a secret",
        "data_key": "Generate data keys",
        "derive": "Derive keys",
        "jwt": "Sign JWTs",
    }
)

MODE_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "encrypt": "Mode",
        "sign": "Signing algorithm",
        "mac": "MAC algorithm",
        "encapsulate": "KEM",
        "agree": "Key agreement",
        "transit": "Mode",
    }
)

_MEANINGS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PENDING: "This key cannot be used until it is activated.",
        Status.DISABLED: "This key cannot be used until it is enabled again.",
        Status.EXPIRED: (
            "This key can only {process}. You cannot change an expiry date that has passed. Create another key for new data."
        ),
        Status.REVOKED: "This key can only {process}. Create another key for new data.",
        Status.SCHEDULED: "This key cannot be used. You can only cancel the deletion.",
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
        "encapsulate": "An attacker may have this key and all secrets encapsulated to it. It cannot be used.",
        "agree": "An attacker may have this key and all secrets agreed with it. It cannot be used.",
        "transit": "An attacker may have this key and may have used it like you. It cannot be used.",
    }
)
_PROCESS: Final = MappingProxyType(
    {
        "encrypt": "decrypt",
        "sign": "verify",
        "mac": "verify",
        "encapsulate": "decapsulate",
        "agree": "agree on secrets with an earlier version",
        "transit": "process existing data",
    }
)
_DESTROYED: Final = MappingProxyType(
    {
        "encrypt": "Data encrypted with this key can never be decrypted again.",
        "sign": "No one can sign with this key again.",
        "mac": "MACs of this key can never be verified again.",
        "encapsulate": "Secrets encapsulated to this key can never be opened again.",
        "agree": "No one can agree on a secret with this key again.",
        "transit": "No one can decrypt, sign or compute a MAC with this key again.",
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
        "encapsulate": "Share a secret by key encapsulation (KEM), also against quantum computers",
        "agree": "Agree on a secret with another party (ECDH)",
    }
)

_PUBLIC_KEY: Final = "Decrypt messages that others encrypt with a public key"

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
        "rsa-2048": "Only for imported keys, which verify existing signatures.",
        "aes-128-raw": "Only for imported keys, which decrypt messages that another system encrypted with AES-GCM.",
        "aes-192-raw": "Only for imported keys, which decrypt messages that another system encrypted with AES-GCM.",
        "aes-256-raw": "Only for imported keys, which decrypt messages that another system encrypted with AES-GCM.",
        "fernet": "Only for imported keys, which decrypt Fernet tokens.",
        "rsa-2048:encrypt": "Only for imported keys, which decrypt existing messages.",
        "rsa-3072:encrypt": "For short messages that others encrypt with the public key.",
        "rsa-4096:encrypt": "More security than RSA-3072. Slower.",
        "x25519-ml-kem-768": "For messages that others encrypt with the public key. Resists attacks with quantum computers.",
        "ml-kem-768": "For most uses.",
        "ml-kem-1024": "More security than ML-KEM-768.",
        "x25519": "For most uses. Fast, with short keys.",
        "ec-p256:agree": "For systems that require NIST curves.",
        "ec-p384:agree": "More security than P-256.",
        "ec-p521:agree": "The most security of the NIST curves.",
        "ec-secp256k1:agree": "For systems that use secp256k1, such as blockchains.",
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
    """An algorithm with a purpose, as shown in the form for a new key. ``group``: the purpose in plain words."""

    algorithm: KeyAlgorithm
    group: str
    use: str
    facts: str

    @property
    def name(self) -> str:
        return self.algorithm.name

    @property
    def is_recommended(self) -> bool:
        return self.algorithm.name == RECOMMENDED


def algorithm_choices() -> Mapping[str, AlgorithmChoice]:
    """By the value of the form: the algorithm, with the purpose unless it is the default one."""
    return {
        kind.name if kind.is_default else f"{kind.name}:{kind.purpose}": AlgorithmChoice(
            kind, _group(kind), _use(kind), _facts(kind)
        )
        for kind in KEY_ALGORITHMS
    }


def _group(kind: KeyAlgorithm) -> str:
    return _PUBLIC_KEY if kind.purpose == "encrypt" and kind.is_asymmetric else _PURPOSES[kind.purpose]


def _use(kind: KeyAlgorithm) -> str:
    return _USES.get(f"{kind.name}:{kind.purpose}") or _USES.get(kind.name, "")


def _facts(kind: KeyAlgorithm) -> str:
    standard = "FIPS-approved" if kind.status == "approved" else "not FIPS-approved"
    if "ml-" in kind.name:  # the size of its keys says nothing about their strength
        return f"{standard[0].upper()}{standard[1:]}."
    return f"{kind.key_size} bits, {standard}."
