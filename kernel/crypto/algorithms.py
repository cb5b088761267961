"""The allow list of key algorithms, each defined once: what is generated, wrapped and rotated.

A key has one purpose. Keys of some algorithms may have one of several, so a row is an algorithm with a purpose.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from kernel.crypto.errors import Invalid, UnsupportedAlgorithm
from kernel.crypto.modes import SEALING_MODES, Status
from kernel.crypto.transit_types import CONVERGENT, TRANSIT_ROWS, TransitType

type Purpose = Literal["encrypt", "sign", "mac", "encapsulate", "agree", "transit"]


HYBRID: Final = "x25519-ml-kem-768"


@dataclass(frozen=True, slots=True)
class KeyAlgorithm:
    """A type of key with a purpose. ``modes[0]`` is its default mode.

    ``key_size``: in bits; of the material, the order of an elliptic curve, an RSA modulus, or a post-quantum public
    key. ``is_asymmetric``: its keys are pairs of a private and a public key. ``is_default``: keys of this algorithm
    have this purpose unless the request names another one. ``protects``: its keys may protect new data. Otherwise they
    are never generated, and imported ones only process existing data (NIST SP 800-131A). ``is_foreign``: that data has
    the format of another system.
    """

    name: str
    key_size: int
    purpose: Purpose
    modes: tuple[str, ...]
    status: Status = "approved"
    is_asymmetric: bool = False
    is_default: bool = True
    protects: bool = True

    @property
    def is_foreign(self) -> bool:
        return not (self.protects or self.is_asymmetric)

    @property
    def has_document(self) -> bool:
        """Whether its private keys are PKCS #8 documents. Those of X25519 with ML-KEM-768 are raw bytes."""
        return self.is_asymmetric and self.name != HYBRID


def _symmetric(name: str, key_size: int, *modes: str, status: Status = "approved") -> KeyAlgorithm:
    return KeyAlgorithm(name, key_size, "encrypt", modes, status)


def _foreign(name: str, key_size: int, mode: str, status: Status = "approved") -> KeyAlgorithm:
    return KeyAlgorithm(name, key_size, "encrypt", (mode,), status, protects=False)


def _mac(name: str, key_size: int) -> KeyAlgorithm:
    return KeyAlgorithm(name, key_size, "mac", (name,))


def _pair(
    purpose: Purpose,
    name: str,
    key_size: int,
    *modes: str,
    status: Status = "approved",
    is_default: bool = True,
    protects: bool = True,
) -> KeyAlgorithm:
    return KeyAlgorithm(
        name, key_size, purpose, modes, status, is_asymmetric=True, is_default=is_default, protects=protects
    )


_RSA_SIGNING: Final = tuple(
    f"rsa-{scheme}-{digest}" for scheme in ("pss", "pkcs1") for digest in ("sha256", "sha384", "sha512")
)

KEY_ALGORITHMS: Final = (
    _symmetric("aes-256", 256, "aes-256-gcm", "aes-256-gcm-siv", "aes-256-cbc-hmac-sha512"),
    _symmetric("aes-128", 128, "aes-128-gcm"),
    _symmetric("chacha20", 256, "chacha20-poly1305", status="accepted"),
    # AES-256-SIV uses two AES-256 keys, 64 bytes. HKDF derives both from 32 random bytes. The size shown is 256 because
    # 256 bits are generated and wrapped, and an attacker has to guess 256 bits.
    _symmetric("aes-256-siv", 256, "aes-256-siv", status="accepted"),
    # Keys of other systems, for the messages that they sealed. A Fernet key is an AES-128 key and one of HMAC-SHA256.
    _foreign("aes-128-raw", 128, "aes-128-gcm-raw"),
    _foreign("aes-192-raw", 192, "aes-192-gcm-raw"),
    _foreign("aes-256-raw", 256, "aes-256-gcm-raw"),
    _foreign("fernet", 256, "fernet", status="accepted"),
    _pair("sign", "ed25519", 256, "ed25519"),
    _pair("sign", "ed448", 448, "ed448"),
    # FIPS 186-5 §6.1: the hash function is at least as strong as the curve.
    _pair("sign", "ec-p256", 256, "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"),
    _pair("sign", "ec-p384", 384, "ecdsa-sha384", "ecdsa-sha512"),
    _pair("sign", "ec-p521", 521, "ecdsa-sha512"),
    _pair("sign", "ec-secp256k1", 256, "ecdsa-sha256", status="accepted"),
    # RSA has no default purpose, because both are usual.
    _pair("sign", "rsa-3072", 3072, *_RSA_SIGNING, is_default=False),
    _pair("sign", "rsa-4096", 4096, *_RSA_SIGNING, is_default=False),
    _pair("sign", "rsa-2048", 2048, *_RSA_SIGNING, is_default=False, protects=False),
    # FIPS 204 table 2: the size of the public key.
    _pair("sign", "ml-dsa-44", 10_496, "ml-dsa-44"),
    _pair("sign", "ml-dsa-65", 15_616, "ml-dsa-65"),
    _pair("sign", "ml-dsa-87", 20_736, "ml-dsa-87"),
    # FIPS 198-1 §3: a key as long as the MAC. It is used as it is, not through a subkey.
    _mac("hmac-sha256", 256),
    _mac("hmac-sha384", 384),
    _mac("hmac-sha512", 512),
    _pair("encrypt", "rsa-3072", 3072, "rsa-oaep-sha256", is_default=False),
    _pair("encrypt", "rsa-4096", 4096, "rsa-oaep-sha256", is_default=False),
    _pair("encrypt", "rsa-2048", 2048, "rsa-oaep-sha256", is_default=False, protects=False),
    _pair("encrypt", HYBRID, 9728, "hpke-x25519-ml-kem-768", status="accepted"),
    # FIPS 203 table 3: the size of the public key.
    _pair("encapsulate", "ml-kem-768", 9472, "ml-kem-768"),
    _pair("encapsulate", "ml-kem-1024", 12_544, "ml-kem-1024"),
    _pair("agree", "x25519", 256, "x25519", status="accepted"),
    _pair("agree", "ec-p256", 256, "ecdh", is_default=False),
    _pair("agree", "ec-p384", 384, "ecdh", is_default=False),
    _pair("agree", "ec-p521", 521, "ecdh", is_default=False),
    _pair("agree", "ec-secp256k1", 256, "ecdh", status="accepted", is_default=False),
)


def _transit(kind: TransitType) -> KeyAlgorithm:
    modes = tuple(mode.name for mode in kind.modes.values())
    # Each context has an Ed25519 pair of its own, so a derived key has no public key.
    has_pair = kind.is_asymmetric and not kind.is_derived
    return KeyAlgorithm(
        kind.algorithm, kind.key_size, "transit", modes, status="accepted", is_asymmetric=has_pair
    )


TRANSIT_ALGORITHMS: Final = tuple(map(_transit, TRANSIT_ROWS))
"""Not in the tables that follow: their keys are created and used by the formats of Vault and OpenBao only."""

ALGORITHM_NAMES: Final = tuple(dict.fromkeys(kind.name for kind in KEY_ALGORITHMS))
GENERATED_NAMES: Final = tuple(dict.fromkeys(kind.name for kind in KEY_ALGORITHMS if kind.protects))

# Users of other services name a key by its mode. The mode's name is accepted if the mode is the only or the default
# mode of its key algorithm.
KEY_ALGORITHM_ALIASES: Final = MappingProxyType(
    {"aes-256-gcm": "aes-256", "aes-128-gcm": "aes-128", "chacha20-poly1305": "chacha20"}
)

_BY_NAME: Final = MappingProxyType(
    {name: tuple(kind for kind in KEY_ALGORITHMS if kind.name == name) for name in ALGORITHM_NAMES}
)
_TRANSIT_BY_NAME: Final = MappingProxyType({kind.name: kind for kind in TRANSIT_ALGORITHMS})
PURPOSES: Final = tuple(dict.fromkeys(kind.purpose for kind in KEY_ALGORITHMS))


def find_key_algorithms(name: str, *, allowed: Iterable[str] = ALGORITHM_NAMES) -> Sequence[KeyAlgorithm]:
    """The rows of the algorithm with this name or alias, one for each purpose; raises UnsupportedAlgorithm.

    ``allowed``: the names that the refusal of an unknown one lists.
    """
    kinds = _BY_NAME.get(KEY_ALGORITHM_ALIASES.get(name, name))
    if kinds is None:
        # Do not echo the requested name: it is the caller's text, of any length and content.
        raise UnsupportedAlgorithm(
            f"Unknown key algorithm. Allowed: {', '.join(allowed)}.", field="algorithm"
        )
    return kinds


def find_key_algorithm(
    name: str, purpose: str | None = None, *, allowed: Iterable[str] = ALGORITHM_NAMES
) -> KeyAlgorithm:
    """The algorithm with this name or alias, for a purpose or for its default one.

    ``allowed``: as of ``find_key_algorithms``. Raises UnsupportedAlgorithm, and Invalid for a purpose that is missing or not one of the algorithm.
    """
    kinds = find_key_algorithms(name, allowed=allowed)
    for kind in kinds:
        if kind.purpose == purpose or (purpose is None and kind.is_default):
            return kind
    allowed = " or ".join(kind.purpose for kind in kinds)
    if purpose is None:
        raise Invalid.of_field("purpose", f"This field is required for {kinds[0].name}: {allowed}.")
    raise Invalid.of_field("purpose", f"Must be {allowed} for {kinds[0].name}, or omit it.")


def algorithm_of_key(name: str, purpose: str) -> KeyAlgorithm:
    """The algorithm of a stored key. Raises UnsupportedAlgorithm, Invalid."""
    return _TRANSIT_BY_NAME.get(name) or find_key_algorithm(name, purpose)


def modes_of(name: str) -> list[str]:
    """The modes of an algorithm, for all its purposes; raises UnsupportedAlgorithm."""
    return [mode for kind in find_key_algorithms(name) for mode in kind.modes]


def is_deterministic(key_algorithm: str) -> bool:
    """Whether equal messages give equal ciphertexts in the key's modes. False for an unknown name."""
    if key_algorithm in _TRANSIT_BY_NAME:
        return key_algorithm.endswith(CONVERGENT)
    kinds = _BY_NAME.get(key_algorithm, ())
    return any(mode.deterministic for kind in kinds for mode in map(SEALING_MODES.get, kind.modes) if mode)
