"""Limits of inputs. Larger ones are settings."""

from typing import Final

MAX_AAD_BYTES: Final = 64 * 1024
MAX_HEADER_AAD_BYTES: Final = 4096  # of a stream, whose aad is in a header line of at most 8,190 bytes
MAX_TAG_BYTES: Final = 64
MAX_TRIED_BYTES: Final = 64 * 1024  # of a message that is typed into Try it
MAX_TRIED_CHARACTERS: Final = 96 * 1024  # of its ciphertext, which fits in any mode
MAX_RANDOM_BYTES: Final = 65_536
MAX_ITEMS: Final = 1000  # of a batch
MAX_REFERENCE: Final = 100  # characters
MESSAGES_A_REQUEST: Final = 100  # of a batch, per request counted by a rate limit


def cost_of(messages: int) -> int:
    """The number of requests that a batch of ``messages`` messages counts as."""
    return -(-messages // MESSAGES_A_REQUEST)
