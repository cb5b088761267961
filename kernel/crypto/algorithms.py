"""The allow list: every available key algorithm and mode, each defined once.

``cryptography`` supports much more (Blowfish, RC4, ECB, CBC without a MAC, SHA-1). The product offers only the entries
of these tables.

A *key algorithm* defines what is generated, wrapped and rotated. A *mode* defines how an operation uses such a key: a
sealing mode seals messages with a subkey (``KeyMaterial.subkey``), a signing mode signs them, a MAC mode computes a MAC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from kernel.crypto.errors import UnsupportedAlgorithm

type Purpose = Literal["encrypt", "sign", "mac"]
type Digest = Literal["sha256", "sha384", "sha512"]
type Status = Literal["approved", "accepted"]
"""``approved``: built from FIPS-approved algorithms. ``accepted``: specified by an RFC or by SEC, not by NIST."""


@dataclass(frozen=True, slots=True)
class KeyAlgorithm:
    """A type of key, for one purpose. ``modes[0]`` is its default mode.

    ``key_size``: in bits; of the material, the order of an elliptic curve, an RSA modulus, or an ML-DSA public key.
    ``is_asymmetric``: its keys are pairs of a private and a public key.
    """

    name: str
    key_size: int
    purpose: Purpose
    modes: tuple[str, ...]
    status: Status
    is_asymmetric: bool = False


@dataclass(frozen=True, slots=True)
class Mode:
    """How an operation uses a key."""

    name: str


@dataclass(frozen=True, slots=True)
class SealingMode(Mode):
    """How a message is sealed. ``suite`` is the number written into ciphertexts: never reused, never changed.

    ``subkey_size``, ``iv_size`` and ``tag_size`` are in bytes. ``deterministic``: equal inputs give equal
    ciphertexts. ``invocation_limit``: how many messages one key version may seal; None if no limit is within reach.
    """

    suite: int
    key_algorithm: str
    subkey_size: int
    iv_size: int
    tag_size: int
    deterministic: bool
    padding: Literal["pkcs7"] | None
    status: Status
    invocation_limit: int | None


@dataclass(frozen=True, slots=True)
class SigningMode(Mode):
    """How a message is signed. ``digest``: the hash function, or None if the mode signs only whole messages.

    ``has_raw_form``: its signatures have two encodings, DER and raw.
    """

    digest: Digest | None = None
    has_raw_form: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether a signature takes about a millisecond or more."""
        return self.name.startswith(("rsa-", "ml-dsa-"))


@dataclass(frozen=True, slots=True)
class MacMode(Mode):
    """How a MAC is computed: HMAC with a hash function. ``size``: of the MAC in bytes."""

    digest: Digest
    size: int


# NIST SP 800-38D §8.3 allows 2^32 messages per key with random 96-bit nonces. The probability of a nonce collision
# is then 2^-33, and one collision exposes the authentication key. A tenth is kept in reserve. ChaCha20-Poly1305
# (RFC 8439 §4) uses nonces of the same size and fails as badly, so it gets the same limit. CBC uses random 128-bit
# ivs; its limit is a collision of cipher blocks. 2^32 messages of 1 MiB are 2^48 blocks, which is again a
# probability of 2^-33, so it gets the same limit.
_RANDOM_NONCE_LIMIT: Final = int(0.9 * 2**32)
# GCM-SIV derives a fresh key from each nonce, and a repeated nonce only reveals whether two messages are equal. RFC
# 8452 §9 puts the limit for messages up to 32 MiB at 2^48.
_GCM_SIV_LIMIT: Final = None
# SIV uses no nonce; repeating a message is its purpose. CMAC sets the remaining limit: 2^48 messages (NIST SP
# 800-38B appendix B). At 10,000 messages per second, that takes nine centuries.
_SIV_LIMIT: Final = None


def _by_name[T: (KeyAlgorithm, SealingMode, SigningMode, MacMode)](rows: Iterable[T]) -> Mapping[str, T]:
    return MappingProxyType({row.name: row for row in rows})


def _key(
    purpose: Purpose, name: str, key_size: int, *modes: str, status: Status = "approved"
) -> KeyAlgorithm:
    return KeyAlgorithm(name, key_size, purpose, modes, status, is_asymmetric=purpose == "sign")


_RSA_SIGNING: Final = tuple(
    f"rsa-{scheme}-{digest}" for scheme in ("pss", "pkcs1") for digest in ("sha256", "sha384", "sha512")
)


KEY_ALGORITHMS: Final = _by_name(
    (
        _key("encrypt", "aes-256", 256, "aes-256-gcm", "aes-256-gcm-siv", "aes-256-cbc-hmac-sha512"),
        _key("encrypt", "aes-128", 128, "aes-128-gcm"),
        _key("encrypt", "chacha20", 256, "chacha20-poly1305", status="accepted"),
        # AES-256-SIV uses two AES-256 keys, 64 bytes. HKDF derives both from 32 random bytes. The size shown is 256
        # because 256 bits are generated and wrapped, and an attacker has to guess 256 bits.
        _key("encrypt", "aes-256-siv", 256, "aes-256-siv", status="accepted"),
        # FIPS 198-1 §3: a key as long as the MAC. It is used as it is, not through a subkey.
        _key("mac", "hmac-sha256", 256, "hmac-sha256"),
        _key("mac", "hmac-sha384", 384, "hmac-sha384"),
        _key("mac", "hmac-sha512", 512, "hmac-sha512"),
        _key("sign", "ed25519", 256, "ed25519"),
        _key("sign", "ed448", 448, "ed448"),
        # FIPS 186-5 §6.1: the hash function is at least as strong as the curve.
        _key("sign", "ec-p256", 256, "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"),
        _key("sign", "ec-p384", 384, "ecdsa-sha384", "ecdsa-sha512"),
        _key("sign", "ec-p521", 521, "ecdsa-sha512"),
        _key("sign", "ec-secp256k1", 256, "ecdsa-sha256", status="accepted"),
        _key("sign", "rsa-3072", 3072, *_RSA_SIGNING),
        _key("sign", "rsa-4096", 4096, *_RSA_SIGNING),
        # FIPS 204 table 2: the size of the public key.
        _key("sign", "ml-dsa-44", 10_496, "ml-dsa-44"),
        _key("sign", "ml-dsa-65", 15_616, "ml-dsa-65"),
        _key("sign", "ml-dsa-87", 20_736, "ml-dsa-87"),
    )
)

SEALING_MODES: Final = _by_name(
    (
        SealingMode(
            name="aes-256-gcm",
            suite=1,
            key_algorithm="aes-256",
            subkey_size=32,
            iv_size=12,
            tag_size=16,
            deterministic=False,
            padding=None,
            status="approved",
            invocation_limit=_RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-128-gcm",
            suite=2,
            key_algorithm="aes-128",
            subkey_size=16,
            iv_size=12,
            tag_size=16,
            deterministic=False,
            padding=None,
            status="approved",
            invocation_limit=_RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-256-gcm-siv",
            suite=3,
            key_algorithm="aes-256",
            subkey_size=32,
            iv_size=12,
            tag_size=16,
            deterministic=False,
            padding=None,
            status="accepted",
            invocation_limit=_GCM_SIV_LIMIT,
        ),
        SealingMode(
            name="chacha20-poly1305",
            suite=4,
            key_algorithm="chacha20",
            subkey_size=32,
            iv_size=12,
            tag_size=16,
            deterministic=False,
            padding=None,
            status="accepted",
            invocation_limit=_RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-256-cbc-hmac-sha512",
            suite=5,
            key_algorithm="aes-256",
            subkey_size=64,
            iv_size=16,
            tag_size=32,
            deterministic=False,
            padding="pkcs7",
            status="approved",
            invocation_limit=_RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-256-siv",
            suite=6,
            key_algorithm="aes-256-siv",
            subkey_size=64,
            iv_size=0,
            tag_size=16,
            deterministic=True,
            padding=None,
            status="accepted",
            invocation_limit=_SIV_LIMIT,
        ),
    )
)

SIGNING_MODES: Final = _by_name(
    (
        SigningMode("ed25519"),
        SigningMode("ed448"),
        SigningMode("ecdsa-sha256", "sha256", has_raw_form=True),
        SigningMode("ecdsa-sha384", "sha384", has_raw_form=True),
        SigningMode("ecdsa-sha512", "sha512", has_raw_form=True),
        SigningMode("rsa-pss-sha256", "sha256"),
        SigningMode("rsa-pss-sha384", "sha384"),
        SigningMode("rsa-pss-sha512", "sha512"),
        SigningMode("rsa-pkcs1-sha256", "sha256"),
        SigningMode("rsa-pkcs1-sha384", "sha384"),
        SigningMode("rsa-pkcs1-sha512", "sha512"),
        SigningMode("ml-dsa-44"),
        SigningMode("ml-dsa-65"),
        SigningMode("ml-dsa-87"),
    )
)

MAC_MODES: Final = _by_name(
    (
        MacMode("hmac-sha256", "sha256", 32),
        MacMode("hmac-sha384", "sha384", 48),
        MacMode("hmac-sha512", "sha512", 64),
    )
)

# Users of other services name a key by its mode. The mode's name is accepted if the mode is the only or the default
# mode of its key algorithm.
KEY_ALGORITHM_ALIASES: Final = MappingProxyType(
    {"aes-256-gcm": "aes-256", "aes-128-gcm": "aes-128", "chacha20-poly1305": "chacha20"}
)
_MODES_BY_SUITE: Final = MappingProxyType({mode.suite: mode for mode in SEALING_MODES.values()})


def find_key_algorithm(name: str) -> KeyAlgorithm:
    """The key algorithm with this name or alias; raises UnsupportedAlgorithm."""
    algorithm = KEY_ALGORITHMS.get(KEY_ALGORITHM_ALIASES.get(name, name))
    if algorithm is None:
        raise _unsupported("key algorithm", KEY_ALGORITHMS)
    return algorithm


def find_sealing_mode(name: str) -> SealingMode:
    """The mode with this name; raises UnsupportedAlgorithm."""
    mode = SEALING_MODES.get(name)
    if mode is None:
        raise _unsupported("mode", SEALING_MODES)
    return mode


def find_signing_mode(name: str) -> SigningMode:
    """The signing mode with this name; raises UnsupportedAlgorithm."""
    mode = SIGNING_MODES.get(name)
    if mode is None:
        raise _unsupported("signing algorithm", SIGNING_MODES)
    return mode


def is_deterministic(key_algorithm: str) -> bool:
    """Whether equal messages give equal ciphertexts in the key's modes. False for an unknown name."""
    kind = KEY_ALGORITHMS.get(key_algorithm)
    mode = None if kind is None else SEALING_MODES.get(kind.modes[0])
    return mode is not None and mode.deterministic


def mode_by_suite(suite: int) -> SealingMode:
    """The mode with this number in ciphertexts; raises UnsupportedAlgorithm."""
    mode = _MODES_BY_SUITE.get(suite)
    if mode is None:
        raise _unsupported("suite", (str(number) for number in _MODES_BY_SUITE))
    return mode


def _unsupported(what: str, allowed: Iterable[str]) -> UnsupportedAlgorithm:
    # Do not echo the requested name: it is the caller's text, of any length and content.
    return UnsupportedAlgorithm(f"Unknown {what}. Allowed: {', '.join(allowed)}.")
