"""The primitives of key versions, with which operations compute. One function builds each kind, from a key's parts."""

from collections.abc import Callable
from typing import final

from kernel.crypto import key_pairs
from kernel.crypto.aead import Cipher
from kernel.crypto.algorithms import MacMode, SealingMode, SigningMode
from kernel.crypto.mac import Mac
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.signing import Signer, Verifier
from kernel.trust.row_mac import IntegrityFailed


@final
class KeyParts(Confidential):
    """The parts of one version. ``unwrap`` returns the material, or the private key."""

    __slots__ = ("algorithm", "public_key", "unwrap")

    def __init__(self, algorithm: str, unwrap: Callable[[], KeyMaterial], public_key: bytes | None) -> None:
        self.algorithm = algorithm
        self.unwrap = unwrap
        self.public_key = public_key


def cipher(parts: KeyParts, mode: SealingMode) -> Cipher:
    """Raises UnwrapFailed."""
    return Cipher(parts.unwrap(), mode)


def mac(parts: KeyParts, mode: MacMode) -> Mac:
    """Raises UnwrapFailed."""
    return Mac(parts.unwrap(), mode.digest)


def signer(parts: KeyParts, mode: SigningMode) -> Signer:
    """Raises UnwrapFailed."""
    return Signer(key_pairs.load_private(parts.algorithm, parts.unwrap()), mode)


def verifier(parts: KeyParts, mode: SigningMode) -> Verifier:
    """Needs no private key. Raises IntegrityFailed."""
    if parts.public_key is None:
        raise IntegrityFailed("A public key is missing. Restore the database from a backup.")
    return Verifier(key_pairs.load_public(parts.algorithm, parts.public_key), mode)
