"""The primitives of key versions, with which operations compute. One function builds each kind, from a key's parts."""

from collections.abc import Callable
from typing import Any, final

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.asymmetric.agreement import Agreement
from kernel.crypto.asymmetric.certificate_requests import CsrSigner
from kernel.crypto.asymmetric.kem import Decapsulator, Encapsulator
from kernel.crypto.asymmetric.public_key_encryption import PrivateKeyOpener, PublicKeySealer
from kernel.crypto.asymmetric.signing import Signer, Verifier
from kernel.crypto.derivation import Deriver
from kernel.crypto.mac import Mac
from kernel.crypto.material import Confidential, KeyMaterial
from kernel.crypto.modes import AgreementMode, KemMode, MacMode, Mode, SealingMode, SigningMode, TransitMode
from kernel.crypto.sealing.aead import Cipher
from kernel.crypto.sealing.foreign import FERNET, FernetOpener, RawOpener
from kernel.crypto.transit.cipher import TransitCipher, TransitRsaCipher
from kernel.crypto.transit.secrets import TransitSecrets
from kernel.crypto.transit.signing import TransitMac, TransitSigner
from kernel.crypto.transit_types import TransitType, type_of
from kernel.trust.row_mac import IntegrityFailed


@final
class KeyParts(Confidential):
    """The parts of one version. ``unwrap`` returns the material, or the private key."""

    __slots__ = ("algorithm", "public_key", "unwrap")

    def __init__(self, algorithm: str, unwrap: Callable[[], KeyMaterial], public_key: bytes | None) -> None:
        self.algorithm = algorithm
        self.unwrap = unwrap
        self.public_key = public_key


type Kind[M: Mode, P] = Callable[[KeyParts, M], P]
"""A kind of primitive is the function that builds it."""

# A private key is unwrapped, which raises UnwrapFailed. A public key needs no unwrapping; it raises IntegrityFailed.


def cipher(parts: KeyParts, mode: SealingMode) -> Cipher:
    return Cipher(parts.unwrap(), mode)


def _public_key_sealer(parts: KeyParts, mode: SealingMode) -> PublicKeySealer:
    return PublicKeySealer(_public_key(parts), mode)


def _private_key_opener(parts: KeyParts, mode: SealingMode) -> PrivateKeyOpener:
    return PrivateKeyOpener(_private_key(parts), mode)


def _raw_opener(parts: KeyParts, mode: SealingMode) -> RawOpener:
    return RawOpener(parts.unwrap(), mode)


def _fernet_opener(parts: KeyParts, mode: SealingMode) -> FernetOpener:
    return FernetOpener(parts.unwrap(), mode)


def sealer_of(mode: SealingMode) -> Kind[SealingMode, Any]:
    """The function that builds what seals in this mode."""
    return _public_key_sealer if mode.is_public_key else cipher


def sealer(parts: KeyParts, mode: SealingMode) -> Cipher | PublicKeySealer:
    """The sealer of a mode, for an operation whose request may name none."""
    return _public_key_sealer(parts, mode) if mode.is_public_key else cipher(parts, mode)


def opener_of(mode: SealingMode) -> Kind[SealingMode, Any]:
    """The function that builds what opens in this mode."""
    if mode.is_foreign:
        return _fernet_opener if mode is FERNET else _raw_opener
    return _private_key_opener if mode.is_public_key else cipher


def deriver(parts: KeyParts, _mode: SealingMode) -> Deriver:
    return Deriver(parts.unwrap())


def mac(parts: KeyParts, mode: MacMode) -> Mac:
    return Mac(parts.unwrap(), mode.digest)


def signer(parts: KeyParts, mode: SigningMode) -> Signer:
    return Signer(_private_key(parts), mode)


def csr_signer(parts: KeyParts, mode: SigningMode) -> CsrSigner:
    return CsrSigner(_private_key(parts), mode)


def verifier(parts: KeyParts, mode: SigningMode) -> Verifier:
    return Verifier(_public_key(parts), mode)


def encapsulator(parts: KeyParts, _mode: KemMode) -> Encapsulator:
    return Encapsulator(_public_key(parts))


def decapsulator(parts: KeyParts, mode: KemMode) -> Decapsulator:
    return Decapsulator(_private_key(parts), mode)


def agreement(parts: KeyParts, _mode: AgreementMode) -> Agreement:
    return Agreement(parts.algorithm, _private_key(parts))


def transit_cipher(parts: KeyParts, _mode: TransitMode) -> TransitCipher | TransitRsaCipher:
    kind, secrets = _transit(parts)
    return (TransitRsaCipher if kind.is_asymmetric else TransitCipher)(kind, secrets)


def transit_signer(parts: KeyParts, _mode: TransitMode) -> TransitSigner:
    kind, secrets = _transit(parts)
    return TransitSigner(kind, secrets)


def transit_mac(parts: KeyParts, _mode: TransitMode) -> TransitMac:
    _, secrets = _transit(parts)
    return TransitMac(secrets)


def _transit(parts: KeyParts) -> tuple[TransitType, TransitSecrets]:
    kind = type_of(parts.algorithm)
    if kind is None:
        raise IntegrityFailed("The algorithm of a key was altered. Restore the database from a backup.")
    return kind, TransitSecrets.decode(parts.unwrap())


def _private_key(parts: KeyParts) -> key_pairs.PrivateKey:
    return key_pairs.load_private(parts.algorithm, parts.unwrap())


def _public_key(parts: KeyParts) -> key_pairs.PublicKey:
    if parts.public_key is None:
        raise IntegrityFailed("A public key is missing. Restore the database from a backup.")
    return key_pairs.load_public(parts.algorithm, parts.public_key)
