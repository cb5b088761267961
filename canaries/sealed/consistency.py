"""Whether both sealed documents and the position in the log are those that the last page of the journal names."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from canaries.documents import Page
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage, LogPosition, SealedDocument
from canaries.sealed.journal import ChainedPage, digest_of, last_page, octets_of


class Consistent(NamedTuple):
    """The last page, and both documents, which match it; None and no documents before the first start."""

    last: ChainedPage | None
    documents: Mapping[str, bytes]


def problems_of(page: Page, documents: Mapping[str, bytes], position: int) -> Iterator[str]:
    """A text for each contradiction to the last page. The position, as stored, only moves forward."""
    yield from _problems_of_documents(page, documents)
    if position < page.position:
        yield _put_back(page, position)


def read_consistent() -> Consistent:
    """Needs no lock. Raises DocumentsAltered."""
    while True:
        last, documents = last_page(), read_documents()
        # Each change adds a page. So without another page, all this was read between two changes.
        if JournalPage.objects.filter(number__gt=last.page.number if last else 0).exists():
            continue
        if last is None:
            if documents or _read_position():
                raise DocumentsAltered("the journal is missing")
        elif problem := next(_problems_of_documents(last.page, documents), None):
            raise DocumentsAltered(problem)
        return Consistent(last, documents)


def check_position(last: ChainedPage | None) -> LogPosition:
    """The position, which is not before that of the last page. Raises DocumentsAltered and IntegrityFailed."""
    position = _read_position()
    if position is None:
        raise DocumentsAltered("the position in the log is missing")
    position.check_mac()
    if last and position.last_id < last.page.position:
        raise DocumentsAltered(_put_back(last.page, position.last_id))
    return position


def _put_back(page: Page, position: int) -> str:
    return f"the position in the log was put back from {page.position} to {position}"


def _problems_of_documents(page: Page, documents: Mapping[str, bytes]) -> Iterator[str]:
    for name in sorted(page.documents.keys() | documents.keys()):
        if name not in documents:
            yield f'the sealed document "{name}" is missing'
        elif digest_of(documents[name]) != page.documents.get(name):
            yield f'the sealed document "{name}" is not the one of page {page.number} of the journal'


def read_documents() -> dict[str, bytes]:
    """``{name: sealed bytes}``."""
    return {row.name: octets_of(row.sealed) for row in SealedDocument.objects.all()}


def _read_position() -> LogPosition | None:
    return LogPosition.objects.filter(pk=True).first()


def state_digest() -> str:
    """SHA-256 (hex) over both documents, the last page and the position as stored. It changes with every alteration."""
    last = JournalPage.objects.values_list("number", "sealed").last()
    position = _read_position()
    parts = [
        sorted((name, digest_of(sealed)) for name, sealed in read_documents().items()),
        (last[0], digest_of(octets_of(last[1]))) if last else None,
        (position.last_id, position.row_mac) if position else None,
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
