"""Limits of requests to the engine, and their base."""

from typing import Final

from msgspec import Struct

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
MAX_TOTAL: Final = 2**53 - 1  # the largest integer that every JSON parser keeps (RFC 8259 section 6)
_MESSAGES_A_REQUEST: Final = 100  # of a batch, per request counted by a rate limit


class Unprinted(Struct, frozen=True, kw_only=True):
    """Contains plaintexts or ciphertexts, which must stay out of logs and tracebacks."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def cost_of(messages: int) -> int:
    """The number of requests that a batch of ``messages`` messages counts as."""
    return -(-messages // _MESSAGES_A_REQUEST)
