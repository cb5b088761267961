"""Requests and results of the engine, and their limits: plain values without HTTP. None of them can be printed."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from msgspec import Struct

from kernel.crypto.aead import Sealed
from kernel.crypto.envelope import Envelope
from kernel.crypto.modes import SealingMode
from keys.lifecycle import VersionState
from keys.references import KeyReference

# Larger limits are settings.
MAX_AAD_BYTES: Final = 64 * 1024
MAX_HEADER_AAD_BYTES: Final = 4096  # of a stream, whose aad is in a header line of at most 8,190 bytes
MAX_TAG_BYTES: Final = 64
MAX_TRIED_BYTES: Final = 64 * 1024  # of a message that is typed into Try it
MAX_TRIED_CHARACTERS: Final = 96 * 1024  # of its ciphertext, which fits in any mode
MAX_DIGEST_BYTES: Final = 64
MAX_SIGNATURE_BYTES: Final = 8192  # of ML-DSA-87 4,627
MAX_MAC_BYTES: Final = 64
MAX_KEM_CIPHERTEXT_BYTES: Final = 1568  # of ML-KEM-1024
MAX_PUBLIC_KEY_BYTES: Final = 2048
MAX_RANDOM_BYTES: Final = 65_536
MAX_CLAIMS_BYTES: Final = 64 * 1024  # of a JWT
MAX_JWT_HEADER_BYTES: Final = 4096  # of the members that the caller adds
MAX_ITEMS: Final = 1000  # of a batch
MAX_REFERENCE: Final = 100  # characters
MESSAGES_A_REQUEST: Final = 100  # of a batch, per request counted by a rate limit


class Unprinted(Struct, frozen=True, kw_only=True):
    """Contains plaintexts or ciphertexts, which must stay out of logs and tracebacks."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class EncryptRequest(Unprinted, frozen=True, kw_only=True):
    """``key_id``: None for the caller's default key. ``key_version``: for deterministic modes only."""

    mode: SealingMode
    plaintext: bytes
    key_id: KeyReference | None = None
    key_version: int | None = None
    aad: bytes = b""


class DecryptRequest(Unprinted, frozen=True, kw_only=True):
    """``key_version``: None to try the versions that may still process, newest first."""

    mode: SealingMode
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
    """``target_key_id``: None for the same key. ``reason``: required if the source key is compromised."""

    envelope: Envelope = field(repr=False)
    target_key_id: UUID | None = None
    aad: bytes = field(default=b"", repr=False)
    reason: str = ""


class PageItem(Unprinted, frozen=True):
    """One ciphertext of a page of a re-encryption job, with the additional data that it was encrypted with."""

    envelope: Envelope
    aad: bytes


class Decrypted(Unprinted, frozen=True, kw_only=True):
    plaintext: bytes
    mode: SealingMode
    key_id: UUID
    key_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencrypted:
    """``source_compromised``: an attacker with the source key may have forged the old ciphertext."""

    envelope: Envelope = field(repr=False)
    source_key_version: int
    source_compromised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The contents of a ciphertext's header, and whether the caller could decrypt it."""

    key_id: UUID
    key_version: int
    algorithm: str
    state: str
    status: str
    version_state: VersionState
    may_decrypt: bool


def cost_of(messages: int) -> int:
    """The number of requests that a batch of ``messages`` messages counts as."""
    return -(-messages // MESSAGES_A_REQUEST)
