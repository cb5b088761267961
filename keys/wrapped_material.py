"""Key material at rest, wrapped by a key-encryption key and bound to its key, version, algorithm and purpose."""

import struct
from typing import Final
from uuid import UUID

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.material import KeyMaterial
from kernel.trust import kek
from kernel.trust.wrapped_row import Binding, Wrapped

_LABEL: Final = "cc/kv/v1"


def wrap(material: KeyMaterial, key_id: UUID, version: int, algorithm: KeyAlgorithm) -> Wrapped:
    label, parts = binding_of(key_id, version, algorithm.name, algorithm.purpose)
    return kek.wrap(material, label=label, parts=parts)


def open_wrapped(
    wrapped: Wrapped, *, key_id: UUID, version: int, algorithm: str, purpose: str
) -> KeyMaterial:
    """The material. Raises UnwrapFailed if it was wrapped for another key, version, algorithm or purpose."""
    label, parts = binding_of(key_id, version, algorithm, purpose)
    return kek.unwrap(wrapped, label=label, parts=parts)


def binding_of(key_id: UUID, version: int, algorithm: str, purpose: str) -> Binding:
    parts = [key_id.bytes, struct.pack(">I", version), algorithm.encode("ascii"), purpose.encode("ascii")]
    return Binding(_LABEL, parts)
