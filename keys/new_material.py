"""New key material, before it is wrapped for a version."""

from dataclasses import dataclass
from typing import final

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.errors import Invalid
from kernel.crypto.material import KeyMaterial
from kernel.identities import Identity
from kernel.rsa import process as rsa_process


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
