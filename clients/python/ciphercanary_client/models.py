"""Results of the client's methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Signature(bytes):
    """The bytes of a signature or a MAC, with the mode, the key's id and the version that made it.

    Store ``key_id`` and ``key_version`` with it: a signature does not name its key.
    """

    mode: str
    key_id: str
    key_version: int

    @classmethod
    def of(cls, octets: bytes, mode: str, key_id: str, key_version: int) -> "Signature":
        made = cls(octets)
        made.mode, made.key_id, made.key_version = mode, key_id, key_version
        return made


@dataclass(frozen=True)
class DataKey:
    """A data key. ``ciphertext`` is its stored form, which ``Client.decrypt`` opens.

    ``plaintext`` is None if it was not requested. ``public_key`` (DER, SubjectPublicKeyInfo) is None unless it is a
    pair; then ``plaintext`` is the private key (DER, PKCS #8).
    """

    ciphertext: str
    plaintext: bytes | None = field(repr=False)
    mode: str
    key_id: str
    key_version: int
    public_key: bytes | None = None


@dataclass(frozen=True)
class Key:
    """A key of the server. ``members`` has all fields of the API, ``modes`` the default mode first."""

    id: str
    name: str
    algorithm: str
    purpose: str
    status: str
    modes: tuple[str, ...]
    operations: tuple[str, ...]
    primary_version: int
    members: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Rotation:
    """A rotation of a key. ``members`` has all fields of the API."""

    id: str
    key_id: str
    old_version: int
    new_version: int
    members: Mapping[str, Any] = field(repr=False)
