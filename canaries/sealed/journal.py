"""The journal: sealed pages of one size, numbered and chained. Each also has the digests of both sealed documents.

So a page, the set or the incidents cannot be removed, altered or put back alone. The hourly entry
``audit.journal.anchored`` of the log commits to the last page, so they cannot be put back together. The chain is over
the sealed bytes, so it can be verified without the key.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from canaries.documents import Page, Record
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage
from canaries.sealed.sealing import MOST_RECORD, open_page, seal_page, size_of
from kernel.crypto.errors import UnwrapFailed

FIRST = "0" * 64  # the digest before the first page


class ChainedPage(NamedTuple):
    """A page as stored, with its digest (``digest_after``)."""

    page: Page
    sealed: bytes
    digest: str


def digest_of(sealed: bytes) -> str:
    """SHA-256 of a document, in hex."""
    return hashlib.sha256(sealed).hexdigest()


def digest_after(previous: str, sealed: bytes) -> str:
    """The digest of a page: SHA-256(digest of the page before ‖ sealed page), in hex."""
    return hashlib.sha256(bytes.fromhex(previous) + sealed).hexdigest()


def octets_of(stored: object) -> bytes:
    """The bytes of a column, or none: on SQLite, someone may have altered them to a text."""
    return bytes(stored) if isinstance(stored, bytes | memoryview) else b""


def newest_number() -> int:
    """That of the last page; 0 without one."""
    return JournalPage.objects.values_list("number", flat=True).last() or 0


def append(
    last: ChainedPage | None, records: Sequence[Record], documents: Mapping[str, str], position: int
) -> str:
    """Add pages with these records after the last one, at least one page. Returns the digest of the new last one.

    The caller has the lock.
    """
    number, previous = (last.page.number, last.digest) if last else (0, FIRST)
    for some in _split(records):
        number += 1
        page = Page(number=number, previous=previous, documents=documents, position=position, records=some)
        sealed = seal_page(page)
        JournalPage.objects.create(number=number, sealed=sealed)  # noqa: CC3 - a sealed row is authentic
        previous = digest_after(previous, sealed)
    return previous


def last_page() -> ChainedPage | None:
    """Raises DocumentsAltered for an altered one."""
    row = JournalPage.objects.values_list("number", "sealed").last()
    return _opened(*row) if row else None


def read(after: int = 0) -> Iterator[ChainedPage]:
    """The pages after this number. Raises DocumentsAltered for an altered or missing one."""
    rows = JournalPage.objects.filter(number__gt=after).values_list("number", "sealed")
    previous = None if after else FIRST
    for expected, row in enumerate(rows.iterator(chunk_size=100), after + 1):
        if row[0] != expected:
            raise DocumentsAltered(f"page {expected} of the journal is missing")
        found = _opened(*row)
        if previous not in (None, found.page.previous):
            raise DocumentsAltered(f"page {expected} of the journal does not follow the page before it")
        previous = found.digest
        yield found


def _opened(number: int, stored: object) -> ChainedPage:
    sealed = octets_of(stored)
    try:
        page = open_page(number, sealed)
    except UnwrapFailed:
        raise DocumentsAltered(f"page {number} of the journal does not open") from None
    return ChainedPage(page, sealed, digest_after(page.previous, sealed))


def read_back(before: int | None = None) -> Iterator[Page]:
    """The pages before this number, newest first. Raises DocumentsAltered for an altered one."""
    pages = JournalPage.objects.order_by("-number")
    if before is not None:
        pages = pages.filter(number__lt=before)
    for row in pages.iterator(chunk_size=100):
        yield _opened(row.number, row.sealed).page


def _split(records: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
    page: list[Record] = []
    left = MOST_RECORD
    for record in records:
        size = size_of(record)
        if page and size > left:
            yield tuple(page)
            page, left = [], MOST_RECORD
        page.append(record)
        left -= size
    yield tuple(page)
