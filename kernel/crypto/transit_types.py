"""The types of keys of the transit engines of Vault and OpenBao, each defined once.

The name of our algorithm has the name of the type and the derivation: ``vault-aes256-gcm96-derived``. It is part of what
wraps the material, so a key of one format never serves another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from kernel.crypto.modes import RANDOM_NONCE_LIMIT, TransitMode, TransitOperation

_PREFIX: Final = "vault-"
_DERIVED, CONVERGENT = "-derived", "-convergent"
_MAC_MODE: Final = TransitMode(name="vault-hmac", operation="mac")


@dataclass(frozen=True, slots=True)
class TransitType:
    """``name`` and ``number``: in OpenBao's API and backups. ``key_size``: in bits.

    ``derives`` and ``converges``: whether keys may be derived from a context, and may derive their nonces.
    ``is_derived`` and ``is_convergent``: whether the keys of this row are and do.
    """

    name: str
    number: int
    key_size: int
    encrypts: bool = False
    signs: bool = False
    derives: bool = False
    converges: bool = False
    is_derived: bool = False
    is_convergent: bool = False

    @property
    def is_asymmetric(self) -> bool:
        return self.signs

    @property
    def algorithm(self) -> str:
        """The name of our algorithm."""
        suffix = CONVERGENT if self.is_convergent else _DERIVED if self.is_derived else ""
        return f"{_PREFIX}{self.name}{suffix}"

    def variant(self, *, is_derived: bool, is_convergent: bool) -> "TransitType":
        """The row of the same type for keys with these properties. Raises ValueError if there is none."""
        found = replace(self, is_derived=is_derived, is_convergent=is_convergent)
        if found.algorithm not in _BY_ALGORITHM or is_convergent > is_derived:
            raise ValueError(f"no such keys of the type {self.name}")
        return found

    @property
    def modes(self) -> Mapping[TransitOperation, TransitMode]:
        return _MODES[self.name]


_AEAD: Final = {"encrypts": True, "derives": True, "converges": True}
TRANSIT_TYPES: Final[Mapping[str, TransitType]] = MappingProxyType(
    {
        row.name: row
        for row in (
            TransitType("aes256-gcm96", 0, 256, **_AEAD),
            TransitType("aes128-gcm96", 8, 128, **_AEAD),
            TransitType("chacha20-poly1305", 5, 256, **_AEAD),
            TransitType("xchacha20-poly1305", 11, 256, **_AEAD),
            TransitType("rsa-2048", 3, 2048, encrypts=True, signs=True),
            TransitType("rsa-3072", 9, 3072, encrypts=True, signs=True),
            TransitType("rsa-4096", 4, 4096, encrypts=True, signs=True),
            TransitType("ecdsa-p256", 1, 256, signs=True),
            TransitType("ecdsa-p384", 6, 384, signs=True),
            TransitType("ecdsa-p521", 7, 521, signs=True),
            TransitType("ed25519", 2, 256, signs=True, derives=True),
            TransitType("hmac", 10, 256),
        )
    }
)


def _modes_of(kind: TransitType) -> Iterator[TransitMode]:
    name = _PREFIX + kind.name
    is_rsa = kind.encrypts and kind.signs
    if is_rsa:
        yield TransitMode(name=f"{name}-oaep", operation="encrypt", is_slow=True)
    elif kind.encrypts:
        # A random nonce of 24 bytes does not repeat within reach.
        limit = None if kind.name.startswith("xchacha20") else RANDOM_NONCE_LIMIT
        yield TransitMode(name=name, operation="encrypt", invocation_limit=limit)
    if kind.signs:
        yield TransitMode(name=f"{name}-signature" if is_rsa else name, operation="sign", is_slow=is_rsa)
    yield _MAC_MODE


_MODES: Final = {
    kind.name: {mode.operation: mode for mode in _modes_of(kind)} for kind in TRANSIT_TYPES.values()
}


def _variants(kind: TransitType) -> Iterator[TransitType]:
    yield kind
    if kind.derives:
        yield replace(kind, is_derived=True)
    if kind.converges:
        yield replace(kind, is_derived=True, is_convergent=True)


_BY_ALGORITHM: Final = MappingProxyType(
    {row.algorithm: row for kind in TRANSIT_TYPES.values() for row in _variants(kind)}
)
TRANSIT_ROWS: Final = tuple(_BY_ALGORITHM.values())


def type_of(algorithm: str) -> TransitType | None:
    """The type of transit keys with this algorithm; None if it is another one."""
    return _BY_ALGORITHM.get(algorithm)
