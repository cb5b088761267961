"""Key material at rest, wrapped by a key-encryption key and bound to its key, version, algorithm and purpose."""

import struct
from typing import Final
from uuid import UUID

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.material import KeyMaterial
from kernel.trust import kek
from kernel.trust.wrapped_row import Wrapped

LABEL: Final = "cc/kv/v1"


def generate_wrapped(key_id: UUID, version: int, algorithm: KeyAlgorithm) -> Wrapped:
    """New random material for a version, wrapped immediately, so that no other code sees it in clear."""
    material = KeyMaterial.generate(algorithm.key_size // 8)
    return kek.wrap(material, label=LABEL, parts=_parts(key_id, version, algorithm.name, algorithm.purpose))


def open_wrapped(
    wrapped: Wrapped, *, key_id: UUID, version: int, algorithm: str, purpose: str
) -> KeyMaterial:
    """The material. Raises UnwrapFailed if it was wrapped for another key, version, algorithm or purpose."""
    return kek.unwrap(wrapped, label=LABEL, parts=_parts(key_id, version, algorithm, purpose))


def _parts(key_id: UUID, version: int, algorithm: str, purpose: str) -> list[bytes]:
    return [key_id.bytes, struct.pack(">I", version), algorithm.encode("ascii"), purpose.encode("ascii")]
