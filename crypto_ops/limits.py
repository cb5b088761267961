"""Limits of what is sent; larger ones are settings."""

from typing import Final

MAX_AAD_BYTES: Final = 64 * 1024
MAX_HEADER_AAD_BYTES: Final = 4096  # of a stream, whose aad comes in a header line: 8,190 at most
MAX_TAG_BYTES: Final = 64
MAX_TRIED_BYTES: Final = 64 * 1024  # of a message that is typed into Try it
MAX_TRIED_CHARACTERS: Final = 96 * 1024  # of its ciphertext, which has room in them whatever the mode
MAX_RANDOM_BYTES: Final = 65_536
MAX_ITEMS: Final = 1000  # of a batch
MAX_REFERENCE: Final = 100  # characters
MESSAGES_A_REQUEST: Final = 100  # of a batch, as a rate limit counts them


def cost_of(messages: int) -> int:
    """How many requests a batch of so many messages counts as."""
    return -(-messages // MESSAGES_A_REQUEST)
