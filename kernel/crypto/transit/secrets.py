"""The secrets of one version of a transit key, which signs, encrypts and computes MACs."""

import os
import struct
from typing import Final, final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import Invalid
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.transit_types import TransitType

_HEAD: Final = struct.Struct(">BH")  # the version of this form, and the length of the key
_FORM: Final = 1
_MAC_KEY_SIZE: Final = 32
HMAC_SIZES: Final = range(32, 513)
"""The bytes of a key of the type ``hmac``."""
# The algorithms of ``key_pairs`` with the same keys.
PAIRS: Final = {
    "ecdsa-p256": "ec-p256",
    "ecdsa-p384": "ec-p384",
    "ecdsa-p521": "ec-p521",
    "ed25519": "ed25519",
    "rsa-2048": "rsa-2048",
    "rsa-3072": "rsa-3072",
    "rsa-4096": "rsa-4096",
}
_MISSING_CONTEXT: Final = (
    "missing 'context' for key derivation; the key was created using a derived key, which means additional, "
    "per-request information must be included in order to perform operations with the key"
)


@final
class TransitSecrets(Confidential):
    """``key``: of a symmetric type, the 32-byte seed of Ed25519, or the PKCS #8 document of another pair.

    ``mac_key``: of HMACs. A key of the type ``hmac`` has it in both places.
    """

    __slots__ = ("key", "mac_key")

    def __init__(self, key: bytes, mac_key: bytes) -> None:
        self.key = key
        self.mac_key = mac_key

    def encode(self) -> KeyMaterial:
        """``0x01 ‖ length of the key (u16be) ‖ key ‖ MAC key``."""
        return KeyMaterial(_HEAD.pack(_FORM, len(self.key)) + self.key + self.mac_key)

    @classmethod
    def decode(cls, material: KeyMaterial) -> "TransitSecrets":
        """Raises ValueError for material of another form."""
        octets = material.expose()
        if len(octets) < _HEAD.size:
            raise ValueError("this is no material of a transit key")
        form, size = _HEAD.unpack_from(octets)
        if form != _FORM or len(octets) <= _HEAD.size + size:
            raise ValueError("this is no material of a transit key")
        return cls(octets[_HEAD.size : _HEAD.size + size], octets[_HEAD.size + size :])


def derive(key: bytes, context: bytes, size: int) -> bytes:
    """``size`` bytes for a context, by HKDF-SHA256 without salt. Raises Invalid without a context."""
    if not context:
        raise Invalid.of_field("context", _MISSING_CONTEXT)
    return HKDF(SHA256(), size, None, context).derive(key)


def generate(kind: TransitType, *, private_key: bytes | None = None) -> TransitSecrets:
    """New secrets. ``private_key``: the PKCS #8 document of an RSA key, whose generation takes long."""
    mac_key = os.urandom(_MAC_KEY_SIZE)
    if private_key is not None:
        return TransitSecrets(private_key, mac_key)
    if kind.name == "hmac":
        return TransitSecrets(mac_key, mac_key)
    if kind.name.startswith("ecdsa-"):
        material, _ = key_pairs.generate(PAIRS[kind.name])
        return TransitSecrets(material.expose(), mac_key)
    return TransitSecrets(os.urandom(kind.key_size // 8), mac_key)


def private_key(kind: TransitType, secrets: TransitSecrets, context: bytes = b"") -> key_pairs.PrivateKey:
    """The private key of a pair. A derived Ed25519 key has one for each context. Raises Invalid without it."""
    if kind.name == "ed25519":
        seed = _derived_seed(kind, secrets, context) if kind.is_derived else secrets.key
        found: key_pairs.PrivateKey = key_pairs.from_seed("ed25519", seed)
        return found
    return key_pairs.load_private(PAIRS[kind.name], KeyMaterial(secrets.key))


def _derived_seed(kind: TransitType, secrets: TransitSecrets, context: bytes) -> bytes:
    if not context:
        raise Invalid.of_field("context", f"error deriving key: {_MISSING_CONTEXT}")
    # OpenBao derives from the private key as Go has it: with the public key.
    return derive(secrets.key + ed25519_public(secrets.key), context, kind.key_size // 8)


def ed25519_public(seed: bytes) -> bytes:
    """The raw public key of an Ed25519 key."""
    public: bytes = key_pairs.from_seed("ed25519", seed).public_key().public_bytes_raw()
    return public


def public_key(kind: TransitType, secrets: TransitSecrets, context: bytes = b"") -> bytes | None:
    """The SubjectPublicKeyInfo of a pair; None for a symmetric key, and for a derived one without a context."""
    if not kind.is_asymmetric or (kind.is_derived and not context):
        return None
    key = private_key(kind, secrets, context)
    return key_pairs.encode_public(PAIRS[kind.name], key.public_key())
