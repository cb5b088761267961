"""Key bytes, wrapped to prevent accidental disclosure."""

import os
from typing import Final, NoReturn, final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.modes import SealingMode

_SUBKEY_LABEL: Final = b"cc/sub/v1\x00"
_MIN_SIZE: Final = 16


class Confidential:
    """Base of every object that holds key bytes: its ``repr`` hides them, and it cannot be copied or serialised.

    Caches, task queues and deep copies of a dataclass all call ``object.__getstate__``, which raises here.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds key bytes: it is neither copied nor serialised")


@final
class KeyMaterial(Confidential):
    """The bytes of one key. ``expose`` is the only access to them, so ``grep expose`` finds every use.

    It has no length, no order and no hash. Comparing it raises: ``==`` on bytes leaks the position of the first
    difference through timing, and no caller needs to compare keys.
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes, *, least: int = _MIN_SIZE) -> None:
        """``octets``: at least ``least`` bytes, else ValueError, so that an empty variable cannot become a key.

        Only imported HMAC keys may be shorter than 16 bytes.
        """
        if len(octets) < least:
            raise ValueError(f"key material has at least {least} bytes")
        self._octets = bytes(octets)

    @classmethod
    def generate(cls, size_bytes: int) -> "KeyMaterial":
        return cls(os.urandom(size_bytes))

    def expose(self) -> bytes:
        return self._octets

    def derive(self, info: bytes, size: int) -> "KeyMaterial":
        """``size`` bytes by HKDF-SHA256 without salt (RFC 5869 §3.1: the material is uniformly random)."""
        return KeyMaterial(HKDF(SHA256(), length=size, salt=None, info=info).derive(self._octets))

    def subkey(self, mode: SealingMode) -> "KeyMaterial":
        """The key that ``mode`` seals with. No two modes ever share a key.

        Raises ValueError if the material does not belong to the mode's key algorithm: HKDF would silently derive an
        AES-256 key from 16 bytes.
        """
        if len(self._octets) * 8 != find_key_algorithm(mode.key_algorithm).key_size:
            raise ValueError(f"this material is not a key for {mode.name}")
        return self.derive(_SUBKEY_LABEL + mode.name.encode("ascii"), mode.subkey_size)

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("key material is not compared")

    __hash__ = None  # type: ignore[assignment]  # typeshed offers no other way to declare it unhashable
