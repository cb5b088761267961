"""Seal documents, pages of the journal and counts in entries. Each is bound to its kind, and its name or number."""

from collections.abc import Mapping
from typing import Final

import msgspec

from canaries.documents import Page
from canaries.models import PAGE_BYTES
from kernel.trust import system_keys

_LEAST_BYTES: Final = 64 * 1024  # of a document; larger ones have a power of two
MOST_RECORD: Final = (
    system_keys.room_for(PAGE_BYTES) - 512
)  # bytes: the rest is for the other members of the page

COUNTS_BYTES: Final = 1024  # of sealed counts
_MOST_COUNTS: Final = 16

_encode = msgspec.json.Encoder().encode


def seal_document(name: str, document: msgspec.Struct) -> bytes:
    encoded = _encode(document)
    size = _LEAST_BYTES
    while system_keys.room_for(size) < len(encoded):
        size *= 2
    return system_keys.seal(encoded, size=size, aad=_aad("document", name))


def open_document[D: msgspec.Struct](name: str, sealed: bytes, form: type[D]) -> D:
    """Raises UnwrapFailed for altered bytes."""
    return msgspec.json.decode(system_keys.unseal(sealed, aad=_aad("document", name)), type=form)


def seal_page(page: Page) -> bytes:
    """Raises ValueError if it has too many records (``MOST_RECORD``)."""
    return system_keys.seal(_encode(page), size=PAGE_BYTES, aad=_aad("page", str(page.number)))


def open_page(number: int, sealed: bytes) -> Page:
    """Raises UnwrapFailed for altered bytes."""
    return msgspec.json.decode(system_keys.unseal(sealed, aad=_aad("page", str(number))), type=Page)


def seal_counts(counts: Mapping[str, int]) -> bytes:
    """``COUNTS_BYTES`` bytes with the largest counts, 16 at most. The names are UUIDs."""
    largest = sorted(counts.items(), key=lambda each: each[1], reverse=True)[:_MOST_COUNTS]
    return system_keys.seal(_encode(dict(largest)), size=COUNTS_BYTES, aad=_aad("counts", "refusals"))


def open_counts(sealed: bytes) -> Mapping[str, int]:
    """Raises UnwrapFailed for altered bytes."""
    document = system_keys.unseal(sealed, aad=_aad("counts", "refusals"))
    return msgspec.json.decode(document, type=dict[str, int])


def size_of(record: msgspec.Struct) -> int:
    """Bytes in a page."""
    return len(_encode(record)) + 1


def _aad(kind: str, name: str) -> bytes:
    return f"cc/sealed/v1\0{kind}\0{name}".encode()
