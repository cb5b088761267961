"""Key material at rest, wrapped by a key-encryption key and bound to its key, version, algorithm and purpose."""

import struct
from dataclasses import dataclass
from typing import Final, final
from uuid import UUID

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.errors import Invalid
from kernel.crypto.material import KeyMaterial
from kernel.identities import Identity
from kernel.rsa import process as rsa_process
from kernel.trust import kek
from kernel.trust.wrapped_row import Binding, Wrapped

LABEL: Final = "cc/kv/v1"


@final
@dataclass(frozen=True, slots=True)
class NewMaterial:
    """Material for one version of a key with this algorithm, and its public key if it has one.

    ``material`` is None if only the public key is known.
    """

    algorithm: str
    material: KeyMaterial | None
    public_key: bytes | None = None


def generate(algorithm: KeyAlgorithm, payer: Identity) -> NewMaterial:
    """New random material. For RSA this takes up to seconds, so call it before any lock is taken.

    Raises Invalid, and the errors of ``rsa_process.generate``.
    """
    if not algorithm.protects:
        raise Invalid.of_field(
            "algorithm", f"Keys of type {algorithm.name} are only imported. Choose another algorithm."
        )
    if algorithm.is_asymmetric:
        return NewMaterial(algorithm.name, *rsa_process.generate(algorithm.name, payer))
    return NewMaterial(algorithm.name, KeyMaterial.generate(algorithm.key_size // 8))


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
    return Binding(LABEL, parts)
