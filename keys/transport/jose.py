"""Names of algorithms and keys in JOSE: RFC 7518, RFC 8037, RFC 8812, RFC 9864, RFC 9964, draft-ietf-jose-pqc-kem."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from kernel.crypto.algorithms import KEY_ALGORITHMS, KeyAlgorithm
from kernel.errors import Invalid

_OF_RSA: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"rsa-{scheme}-sha{size}": f"{letters}{size}"
        for scheme, letters in (("pss", "PS"), ("pkcs1", "RS"))
        for size in (256, 384, 512)
    }
)
# By key algorithm and signing mode. JOSE binds each curve to one hash function.
_ALGORITHMS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "ed25519": {"ed25519": "EdDSA"},
        "ed448": {"ed448": "EdDSA"},
        "ec-p256": {"ecdsa-sha256": "ES256"},
        "ec-p384": {"ecdsa-sha384": "ES384"},
        "ec-p521": {"ecdsa-sha512": "ES512"},
        "ec-secp256k1": {"ecdsa-sha256": "ES256K"},
        "rsa-2048": _OF_RSA,
        "rsa-3072": _OF_RSA,
        "rsa-4096": _OF_RSA,
        "ml-dsa-44": {"ml-dsa-44": "ML-DSA-44"},
        "ml-dsa-65": {"ml-dsa-65": "ML-DSA-65"},
        "ml-dsa-87": {"ml-dsa-87": "ML-DSA-87"},
    }
)
# EdDSA is the only name here that does not determine the curve. Few libraries read its replacements yet.
_FULLY_SPECIFIED: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {**_ALGORITHMS, "ed25519": {"ed25519": "Ed25519"}, "ed448": {"ed448": "Ed448"}}
)
# By mode, for keys with another purpose.
_OTHERS: Final[Mapping[str, Collection[str]]] = MappingProxyType(
    {
        "hmac-sha256": ("HS256",),
        "hmac-sha384": ("HS384",),
        "hmac-sha512": ("HS512",),
        "rsa-oaep-sha256": ("RSA-OAEP-256",),
        "ml-kem-768": ("ML-KEM-768",),
        "ml-kem-1024": ("ML-KEM-1024",),
        **dict.fromkeys(
            ("ecdh", "x25519"), ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
        ),
    }
)


@dataclass(frozen=True, slots=True)
class AlgChoice:
    """The ``alg`` that a caller wants in a JWK. ``signing_algorithm``: None for the only one, if there is only one.

    ``fully_specified``: the names of RFC 9864, ``Ed25519`` and ``Ed448`` instead of ``EdDSA``.
    """

    signing_algorithm: str | None = None
    fully_specified: bool = False


ONLY_ONE: Final = AlgChoice()


def algorithms_of(key_algorithm: str, *, fully_specified: bool = False) -> Mapping[str, str]:
    """The JOSE algorithm of each signing mode that has one; empty for keys that do not sign."""
    return (_FULLY_SPECIFIED if fully_specified else _ALGORITHMS).get(key_algorithm, {})


def names_of(kind: KeyAlgorithm) -> Collection[str]:
    """Every ``alg`` that a JWK of this key may have; empty if JOSE has none for its modes."""
    if kind.purpose == "sign":
        both = (algorithms_of(kind.name, fully_specified=fully) for fully in (False, True))
        return dict.fromkeys(name for names in both for name in names.values())
    return dict.fromkeys(name for mode in kind.modes for name in _OTHERS.get(mode, ()))


NAMES: Final = frozenset(name for kind in KEY_ALGORITHMS for name in names_of(kind))


def alg_of(
    kind: KeyAlgorithm, modes: Collection[str], allowed: Iterable[str], choice: AlgChoice
) -> str | None:
    """The ``alg`` of a JWK; None if several are possible. Raises Invalid for a choice that the key does not have.

    ``modes``: of the key. ``allowed``: those that its policy leaves.
    """
    if kind.purpose != "sign":
        if choice.signing_algorithm is not None:
            raise Invalid.of_field(
                "signing_algorithm", f"The purpose of this key is {kind.purpose}. Omit this field."
            )
        names = list(names_of(kind))
        return names[0] if len(names) == 1 else None
    found = algorithms_of(kind.name, fully_specified=choice.fully_specified)
    own = {mode: name for mode, name in found.items() if mode in modes}
    if choice.signing_algorithm is not None:
        if choice.signing_algorithm not in own:
            raise Invalid.of_field("signing_algorithm", f"A JWK of this key needs one of: {', '.join(own)}.")
        return own[choice.signing_algorithm]
    left = [own[mode] for mode in allowed if mode in own] or list(own.values())
    return left[0] if len(left) == 1 else None


def kid_of(key_id: UUID, version: int) -> str:
    """The ``kid`` of a version, in its JWK and in its signatures."""
    return f"{key_id}:{version}"
