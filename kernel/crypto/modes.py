"""The allow list of modes, each defined once. A *mode* is how an operation uses a key.

``cryptography`` supports much more (Blowfish, RC4, ECB, CBC without a MAC, SHA-1). The product offers only the entries
of these tables and of ``algorithms``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, Literal

from cryptography.hazmat.primitives import hashes

from kernel.crypto.errors import UnsupportedAlgorithm

type Digest = Literal["sha256", "sha384", "sha512"]
type TransitOperation = Literal["encrypt", "sign", "mac"]
type Status = Literal["approved", "accepted"]
"""``approved``: built from FIPS-approved algorithms. ``accepted``: specified by an RFC or by SEC, not by NIST."""

# FIPS 180-4, of signatures and MACs.
DIGESTS: Final[Mapping[Digest, hashes.HashAlgorithm]] = MappingProxyType(
    {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
)


@dataclass(frozen=True, slots=True)
class Mode:
    """How an operation uses a key. ``purpose``: of the keys. ``field``: of the requests that name it, or else the key."""

    purpose: ClassVar[str] = ""
    field: ClassVar[str] = "key_id"

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingMode(Mode):
    """How a message is sealed. ``suite`` is the number written into ciphertexts: never reused, never changed. It is 0 for
    the messages of other systems, which are only opened (``kernel.crypto.sealing.foreign``).

    ``key_algorithm``: of the keys that a caller may leave unnamed, "" if each request must name its key.
    ``subkey_size``, ``iv_size`` and ``tag_size`` are in bytes. ``deterministic``: equal inputs give equal
    ciphertexts. ``invocation_limit``: how many messages one key version may seal; None if no limit is within reach.
    ``is_public_key``: anyone with the public key can seal, so an opened message is not authentic. ``takes_aad``: the
    message authenticates additional data. ``opens_slowly``: opening one message takes about a millisecond.
    """

    purpose: ClassVar[str] = "encrypt"
    field: ClassVar[str] = "algorithm"

    suite: int = 0
    key_algorithm: str = ""
    subkey_size: int = 0
    iv_size: int = 0
    tag_size: int = 0
    deterministic: bool = False
    padding: Literal["pkcs7"] | None = None
    status: Status = "approved"
    invocation_limit: int | None = None
    is_public_key: bool = False
    takes_aad: bool = True
    opens_slowly: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether the messages are those of another system."""
        return not self.suite


@dataclass(frozen=True, slots=True)
class SigningMode(Mode):
    """How a message is signed. ``digest``: the hash function, or None if the mode signs only whole messages.

    ``has_raw_form``: its signatures have two encodings, DER and raw.
    """

    purpose: ClassVar[str] = "sign"
    field: ClassVar[str] = "signing_algorithm"

    digest: Digest | None = None
    has_raw_form: bool = False

    @property
    def is_slow(self) -> bool:
        """Whether a signature takes about a millisecond or more."""
        return self.name.startswith(("rsa-", "ml-dsa-"))


@dataclass(frozen=True, slots=True)
class MacMode(Mode):
    """How a MAC is computed: HMAC with a hash function. ``size``: of the MAC in bytes."""

    purpose: ClassVar[str] = "mac"

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class KemMode(Mode):
    """How a key encapsulates a shared secret of 32 bytes. ``ciphertext_size`` is in bytes (FIPS 203 table 3)."""

    purpose: ClassVar[str] = "encapsulate"

    ciphertext_size: int


@dataclass(frozen=True, slots=True)
class AgreementMode(Mode):
    """How two keys agree on a shared secret."""

    purpose: ClassVar[str] = "agree"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitMode(Mode):
    """How a transit key is used, in the formats of Vault and OpenBao (``kernel.crypto.transit``).

    ``invocation_limit``: as of ``SealingMode``. ``is_slow``: whether one operation takes about a millisecond or more.
    """

    purpose: ClassVar[str] = "transit"

    operation: TransitOperation
    invocation_limit: int | None = None
    is_slow: bool = False


# NIST SP 800-38D §8.3 allows 2^32 messages per key with random 96-bit nonces. The probability of a nonce collision
# is then 2^-33, and one collision exposes the authentication key. A tenth is kept in reserve. ChaCha20-Poly1305
# (RFC 8439 §4) uses nonces of the same size and fails as badly, so it gets the same limit. CBC uses random 128-bit
# ivs; its limit is a collision of cipher blocks. 2^32 messages of 1 MiB are 2^48 blocks, which is again a
# probability of 2^-33, so it gets the same limit.
RANDOM_NONCE_LIMIT: Final = int(0.9 * 2**32)
# GCM-SIV derives a fresh key from each nonce, and a repeated nonce only reveals whether two messages are equal. RFC
# 8452 §9 puts the limit for messages up to 32 MiB at 2^48.
_GCM_SIV_LIMIT: Final = None
# SIV uses no nonce; repeating a message is its purpose. CMAC sets the remaining limit: 2^48 messages (NIST SP
# 800-38B appendix B). At 10,000 messages per second, that takes nine centuries.
_SIV_LIMIT: Final = None


def _by_name[M: Mode](rows: Iterable[M]) -> Mapping[str, M]:
    return MappingProxyType({row.name: row for row in rows})


SEALING_MODES: Final = _by_name(
    (
        SealingMode(
            name="aes-256-gcm",
            suite=1,
            key_algorithm="aes-256",
            subkey_size=32,
            iv_size=12,
            tag_size=16,
            invocation_limit=RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-128-gcm",
            suite=2,
            key_algorithm="aes-128",
            subkey_size=16,
            iv_size=12,
            tag_size=16,
            invocation_limit=RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-256-gcm-siv",
            suite=3,
            key_algorithm="aes-256",
            subkey_size=32,
            iv_size=12,
            tag_size=16,
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
            status="accepted",
            invocation_limit=RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-256-cbc-hmac-sha512",
            suite=5,
            key_algorithm="aes-256",
            subkey_size=64,
            iv_size=16,
            tag_size=32,
            padding="pkcs7",
            invocation_limit=RANDOM_NONCE_LIMIT,
        ),
        SealingMode(
            name="aes-256-siv",
            suite=6,
            key_algorithm="aes-256-siv",
            subkey_size=64,
            tag_size=16,
            deterministic=True,
            status="accepted",
            invocation_limit=_SIV_LIMIT,
        ),
        # RFC 8017 §7.1, with SHA-256 for the label and for MGF1, and the empty label.
        SealingMode(
            name="rsa-oaep-sha256",
            suite=16,
            is_public_key=True,
            takes_aad=False,
            opens_slowly=True,
        ),
        # RFC 9180 base mode with HKDF-SHA256 and AES-256-GCM; the KEM is X25519 with ML-KEM-768.
        SealingMode(
            name="hpke-x25519-ml-kem-768",
            suite=17,
            key_algorithm="x25519-ml-kem-768",
            status="accepted",
            is_public_key=True,
        ),
        *(SealingMode(name=f"aes-{size}-gcm-raw", iv_size=12, tag_size=16) for size in (128, 192, 256)),
        # A token has all its parts in one piece.
        SealingMode(name="fernet", status="accepted", takes_aad=False),
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

KEM_MODES: Final = _by_name((KemMode("ml-kem-768", 1088), KemMode("ml-kem-1024", 1568)))
AGREEMENT_MODES: Final = _by_name((AgreementMode("ecdh"), AgreementMode("x25519")))

_MODES_BY_SUITE: Final = MappingProxyType(
    {mode.suite: mode for mode in SEALING_MODES.values() if not mode.is_foreign}
)


def find_sealing_mode(name: str) -> SealingMode:
    """The mode with this name; raises UnsupportedAlgorithm."""
    mode = SEALING_MODES.get(name)
    if mode is None:
        raise _unsupported("mode", SEALING_MODES, SealingMode.field)
    return mode


def find_signing_mode(name: str) -> SigningMode:
    """The signing mode with this name; raises UnsupportedAlgorithm."""
    mode = SIGNING_MODES.get(name)
    if mode is None:
        raise _unsupported("signing algorithm", SIGNING_MODES, SigningMode.field)
    return mode


def is_suite(number: int) -> bool:
    """Whether a mode has this number in ciphertexts."""
    return number in _MODES_BY_SUITE


def mode_by_suite(suite: int) -> SealingMode:
    """The mode with this number in ciphertexts; raises UnsupportedAlgorithm."""
    mode = _MODES_BY_SUITE.get(suite)
    if mode is None:
        raise _unsupported("suite", (str(number) for number in _MODES_BY_SUITE), "ciphertext")
    return mode


def _unsupported(what: str, allowed: Iterable[str], field: str) -> UnsupportedAlgorithm:
    # Do not echo the requested name: it is the caller's text, of any length and content.
    return UnsupportedAlgorithm(f"Unknown {what}. Allowed: {', '.join(allowed)}.", field=field)
