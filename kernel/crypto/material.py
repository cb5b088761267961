"""Key bytes, wrapped so that they cannot slip out by accident."""

import os
from typing import Final, NoReturn, final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.crypto.algorithms import KEY_ALGORITHMS, Mode

_SUBKEY_LABEL: Final = b"cc/sub/v1\x00"
_MIN_SIZE: Final = 16


class Confidential:
    """Base of every object that holds key bytes: it prints nothing, and is neither copied nor serialised.

    A cache, a task queue and a deep copy of a dataclass all ask for its state (``object.__getstate__``).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds key bytes: it is neither copied nor serialised")


@final
class KeyMaterial(Confidential):
    """The bytes of one key. ``expose`` is the only way to them, so that ``grep expose`` finds every use.

    It has no length, no order, no hash. Comparing it raises: ``==`` on bytes takes time that depends on where
    they differ, and no caller has a reason to compare keys.
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        """``octets``: at least 16 bytes; ValueError below (an empty variable must not become a key)."""
        if len(octets) < _MIN_SIZE:
            raise ValueError(f"key material has at least {_MIN_SIZE} bytes")
        self._octets = bytes(octets)

    @classmethod
    def generate(cls, size_bytes: int) -> "KeyMaterial":
        return cls(os.urandom(size_bytes))

    def expose(self) -> bytes:
        return self._octets

    def derive(self, info: bytes, size: int) -> "KeyMaterial":
        """``size`` bytes by HKDF-SHA256 without salt (RFC 5869 §3.1: the material is uniformly random)."""
        return KeyMaterial(HKDF(SHA256(), length=size, salt=None, info=info).derive(self._octets))

    def subkey(self, mode: Mode) -> "KeyMaterial":
        """The key that ``mode`` seals with: no two modes ever run on the same key.

        ValueError where the material is not of the mode's key algorithm: HKDF would make an AES-256 key of 16
        bytes without a word.
        """
        if len(self._octets) * 8 != KEY_ALGORITHMS[mode.key_algorithm].key_size:
            raise ValueError(f"this material is not a key for {mode.name}")
        return self.derive(_SUBKEY_LABEL + mode.name.encode("ascii"), mode.subkey_size)

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("key material is not compared")

    __hash__ = None  # type: ignore[assignment]  # typeshed knows no other way to say unhashable
