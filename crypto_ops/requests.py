"""What the engine is asked for and what it answers: plain values, no HTTP, none of them printable."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from msgspec import Struct

from kernel.crypto.aead import Sealed
from kernel.crypto.algorithms import Mode
from kernel.crypto.envelope import Envelope
from keys.references import KeyReference


class _Unprinted(Struct, frozen=True, kw_only=True):
    """Holds plaintexts or ciphertexts, which stay out of logs and tracebacks."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class EncryptRequest(_Unprinted, frozen=True, kw_only=True):
    """``key_id`` None means the caller's default key. ``key_version`` is for deterministic modes only."""

    mode: Mode
    plaintext: bytes
    key_id: KeyReference | None = None
    key_version: int | None = None
    aad: bytes = b""


class DecryptRequest(_Unprinted, frozen=True, kw_only=True):
    """``key_version`` None means: try the versions that may still process, newest first."""

    mode: Mode
    key_id: KeyReference
    sealed: Sealed
    key_version: int | None = None
    aad: bytes = b""

    @classmethod
    def of_envelope(cls, envelope: Envelope, aad: bytes) -> "DecryptRequest":
        return cls(
            mode=envelope.mode,
            key_id=envelope.key_id,
            key_version=envelope.version,
            sealed=envelope.sealed,
            aad=aad,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencryptRequest:
    """``target_key_id`` None means the same key; ``reason`` is required where that key is compromised."""

    envelope: Envelope = field(repr=False)
    target_key_id: UUID | None = None
    aad: bytes = field(default=b"", repr=False)
    reason: str = ""


class Decrypted(_Unprinted, frozen=True, kw_only=True):
    plaintext: bytes
    mode: Mode
    key_id: UUID
    key_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencrypted:
    """``source_compromised``: the old ciphertext may have been forged by whoever has the key."""

    envelope: Envelope = field(repr=False)
    source_key_version: int
    source_compromised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a ciphertext says of itself, and what the caller could do with it."""

    key_id: UUID
    key_version: int
    algorithm: str
    state: str
    status: str
    version_state: Literal["enabled", "disabled"]
    may_decrypt: bool
