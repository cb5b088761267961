"""New key material, before it is wrapped for a version."""

from dataclasses import dataclass
from typing import final

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.errors import Invalid
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transit.secrets import TransitSecrets, public_key
from kernel.crypto.transit.secrets import generate as generate_secrets
from kernel.crypto.transit_types import TransitType, type_of
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
    transit = type_of(algorithm.name)
    if transit is not None:
        return of_transit(algorithm.name, _transit_secrets(transit, payer))
    if algorithm.is_asymmetric:
        return NewMaterial(algorithm.name, *rsa_process.generate(algorithm.name, payer))
    return NewMaterial(algorithm.name, KeyMaterial.generate(algorithm.key_size // 8))


def of_transit(algorithm: str, secrets: TransitSecrets) -> NewMaterial:
    """The material of a version of a transit key."""
    transit = type_of(algorithm)
    if transit is None:
        raise ValueError(f"{algorithm} is no algorithm of transit keys")
    return NewMaterial(algorithm, secrets.encode(), public_key(transit, secrets))


def _transit_secrets(kind: TransitType, payer: Identity) -> TransitSecrets:
    private = None
    if rsa_process.is_rsa(kind.name):
        material, _ = rsa_process.generate(kind.name, payer)
        private = material.expose()  # noqa: CC1 - becomes a part of the material of a transit key
    return generate_secrets(kind, private_key=private)
