"""The journal: sealed pages of one size, numbered and chained. Each also has the digests of both sealed documents.

So a page, the set or the incidents cannot be removed, altered or put back alone. The hourly entry
``audit.journal.anchored`` of the log commits to the last page, so they cannot be put back together.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from canaries.documents import Page, Record
from canaries.models import JournalPage
from canaries.sealing import MOST_RECORD, open_page, seal_page, size_of

FIRST = "0" * 64  # the digest before the first page


def digest_of(sealed: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(sealed).hexdigest()


def is_empty() -> bool:
    return not JournalPage.objects.exists()


def append(records: Sequence[Record], documents: Mapping[str, str]) -> str:
    """Add pages with these records, at least one page. Returns the digest of the last one. The caller has the lock."""
    last = JournalPage.objects.last()
    number, previous = (last.number, digest_of(bytes(last.sealed))) if last else (0, FIRST)
    for some in _split(records):
        number += 1
        sealed = seal_page(Page(number=number, previous=previous, documents=documents, records=some))
        JournalPage.objects.create(number=number, sealed=sealed)  # noqa: CC3 - a sealed row is authentic
        previous = digest_of(sealed)
    return previous


def read(after: int = 0) -> Iterator[tuple[Page, str]]:
    """The pages after this number, each with its digest. Raises UnwrapFailed for an altered one."""
    for row in JournalPage.objects.filter(number__gt=after).iterator(chunk_size=100):
        sealed = bytes(row.sealed)
        yield open_page(row.number, sealed), digest_of(sealed)


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
