"""A published vector as requests: the import of its key, and one operation with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.crypto.encoding import encode_base64url
from tests.personas import b64


class Expected(StrEnum):
    """The result of a vector."""

    RESPONSE = "the published response"
    ANOTHER_RESPONSE = "another response"
    REFUSED = "the operation is refused"
    NOT_IMPORTED = "the import is refused"


@dataclass(frozen=True)
class Key:
    """The fields of an import. ``material`` is a JSON value."""

    algorithm: str
    format: str
    material: Any
    purpose: str | None = None

    @property
    def identity(self) -> str:
        return json.dumps([self.algorithm, self.format, self.material, self.purpose], sort_keys=True)

    def body(self, name: str) -> dict[str, Any]:
        body = {"name": name, "algorithm": self.algorithm, "format": self.format, "material": self.material}
        return body | ({"purpose": self.purpose} if self.purpose else {})


@dataclass(frozen=True)
class Vector:
    """``operation`` is the end of a path; "public-key" reads the JWK. ``response`` are members of the expected response."""

    key: Key
    operation: str
    response: Mapping[str, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    expected: Expected = Expected.RESPONSE
    variant: str = ""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What it has in common with others: the quick run takes one vector of each kind."""
        parts = ("signing_algorithm", "encoding")
        words = tuple(self.body.get(part) for part in parts)
        return (
            self.key.algorithm,
            self.operation,
            words,
            self.response.get("valid"),
            self.expected,
            self.variant,
        )


type Case = Vector | str
"""A vector, or the reason why the product has no operation for it."""


def public_key(algorithm: str, key: Any, purpose: str | None = None) -> Key:
    document = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(algorithm, "public", b64(document), purpose)


def seed_key(algorithm: str, seed: bytes, public: bytes) -> Key:
    """ML-DSA or ML-KEM, as a JWK of the type AKP."""
    members = {"kty": "AKP", "pub": encode_base64url(public), "priv": encode_base64url(seed)}
    return Key(algorithm, "jwk", members)


def curve_key(
    algorithm: str, name: str, x: bytes, y: bytes = b"", d: bytes = b"", purpose: str | None = None
) -> Key:
    """A point, with its scalar if there is one, as a JWK (RFC 7518 §6.2, RFC 8037). Without ``y``: of the type OKP."""
    members = {"kty": "EC" if y else "OKP", "crv": name, "x": encode_base64url(x)}
    members |= {part: encode_base64url(value) for part, value in (("y", y), ("d", d)) if value}
    return Key(algorithm, "jwk", members, purpose)


def verification(
    key: Key, mode: str, message: bytes, signature: bytes, *, valid: bool = True, **body: str
) -> Vector:
    sent = {"signing_algorithm": mode, "message": b64(message), "signature": b64(signature)}
    return Vector(key, "verify", {"valid": valid}, sent | body)


def signing(key: Key, mode: str, message: bytes, signature: bytes, **body: str) -> Vector:
    sent = {"signing_algorithm": mode, "message": b64(message)}
    return Vector(key, "sign", {"signature": b64(signature)}, sent | body)
