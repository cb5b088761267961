"""Verify the journal, both sealed documents and the position in the log, and compare the anchors with the log."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from audit.actions import JOURNAL_ANCHORED
from audit.log.packed_rows import COLUMNS
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import Seen, read_eras
from audit.verification.protected_rows import stored_rows
from canaries.documents import Page
from canaries.models import JournalPage, LogPosition
from canaries.sealed.consistency import problems_of, read_documents
from canaries.sealed.journal import FIRST, digest_after, octets_of
from canaries.sealed.sealing import open_page
from canaries.sealed.store import anchor_of
from kernel.crypto.errors import UnwrapFailed

_ACTION, _META = COLUMNS.index("action"), COLUMNS.index("meta")


class JournalCheck:
    """An installation that never started has no row and no anchor, which is no finding."""

    def __init__(self) -> None:
        self._entries: dict[str, Seen] = {}  # by the digest that the entry has
        self._anchors: dict[str, int] = {}  # the same digest of the journal -> number of its page
        self._last: Page | None = None
        self._is_last_intact = True

    def check(self, seen: Sequence[Seen]) -> Iterator[Finding]:
        for row in seen:
            if row.values[_ACTION] == JOURNAL_ANCHORED and row.inspection.is_authentic:
                self._entries[json.loads(row.values[_META])["digest"]] = row
        yield from ()

    def finish(self) -> Iterator[Finding]:
        yield from map(_finding, self._check_pages())
        yield from self._check_anchors()
        yield from map(_finding, self._check_rows(read_documents()))

    def _check_pages(self) -> Iterator[str]:
        expected, previous = 1, FIRST
        rows: QuerySet[JournalPage, tuple[Any, Any]] = JournalPage.objects.values_list("number", "sealed")
        for number, stored in rows.iterator(chunk_size=100):
            if number != expected:
                yield f"pages are missing before page {number}: expected page {expected}"
            sealed = octets_of(stored)
            page = _open(number, sealed)
            self._is_last_intact = page is not None
            if page is None:
                yield f"page {number} does not open: it was altered"
            elif page.previous != previous and number == expected:
                yield f"page {number} does not follow the page before it"
            previous = digest_after(page.previous if page else previous, sealed)
            expected = number + 1 if isinstance(number, int) else expected
            if page:
                self._last = page
                if anchor := anchor_of(page, previous):
                    self._anchors[anchor.commitment] = page.number

    def _check_anchors(self) -> Iterator[Finding]:
        for digest, number in self._anchors.items():
            if digest not in self._entries:
                yield _finding(f"the log has no entry of the anchor in page {number}")
        for digest, row in self._entries.items():
            if digest not in self._anchors:
                text = "the journal has no page with the anchor of this entry"
                yield Finding.at(FindingKind.JOURNAL, text, row.index, row.log_id)
        in_log = [digest for digest in self._entries if digest in self._anchors]
        if in_log != [digest for digest in self._anchors if digest in self._entries]:
            yield _finding("the anchors of the journal have another order than their entries in the log")

    def _check_rows(self, documents: Mapping[str, bytes]) -> Iterator[str]:
        [*positions] = stored_rows(LogPosition)
        if self._last is None:
            if documents or positions:
                yield "the journal has no page that opens"
            elif self._entries:
                yield "the journal, the sealed documents and the position in the log are missing"
            return
        newest = read_eras().last_id
        position = next((row.last_id for _, row in positions if row), None)
        if not positions:
            yield "the position in the log is missing"
        elif position is not None and position > newest:
            yield f"the position in the log is {position}, and the newest entry {newest}"
        if self._is_last_intact:  # otherwise that is the finding
            yield from problems_of(self._last, documents, newest if position is None else position)


def _open(number: int, sealed: bytes) -> Page | None:
    try:
        return open_page(number, sealed)
    except UnwrapFailed:
        return None


def _finding(text: str) -> Finding:
    return Finding(FindingKind.JOURNAL, f"sealed journal: {text}")
