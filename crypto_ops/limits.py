"""Limits of one message, the same at every door; larger ones are settings."""

from typing import Final

MAX_AAD_BYTES: Final = 64 * 1024
MAX_TAG_BYTES: Final = 64
MAX_RANDOM_BYTES: Final = 65_536
MAX_ITEMS: Final = 1000  # of a batch
MAX_REFERENCE: Final = 100  # characters
