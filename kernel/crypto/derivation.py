"""Keys derived from a key and a context: HKDF-SHA256 (RFC 5869)."""

from typing import Final, final

from kernel.crypto.material import Confidential, KeyMaterial

# The labels of subkeys differ, so no derived key is a subkey of a mode.
_LABEL: Final = b"cc/derive/v1\x00"


@final
class Deriver(Confidential):
    """One key, ready to use. Threads may share it."""

    __slots__ = ("_material",)

    def __init__(self, material: KeyMaterial) -> None:
        self._material = material

    def derive(self, context: bytes, size: int) -> bytes:
        """``size`` bytes, at least 16: HKDF-SHA256 without salt, with the info ``"cc/derive/v1" 0x00 ‖ context``."""
        return self._material.derive(_LABEL + context, size).expose()
