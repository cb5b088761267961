"""Pages of the journal: where records go, changes at the same time, and the anchor in the log."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connection

from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from canaries.models import JournalPage, LogPosition, SealedDocument
from canaries.sealed import journal
from canaries.sealed.consistency import read_consistent
from canaries.sealed.store import anchor_due, changing

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def test_records_that_fill_a_page_are_in_the_next(sealed):
    with changing() as change:
        for number in range(5):
            change.note("long", text=str(number) * 1500)
    pages = [[record.facts["text"][0] for record in each.page.records] for each in journal.read(1)]
    assert pages == [["0", "1"], ["2", "3"], ["4"]]


def test_changes_meanwhile_are_no_alteration(sealed):
    def change():
        with closing(connection):
            for _ in range(30):
                with changing():
                    pass

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(change)
        while not done.done():
            assert read_consistent().documents
        done.result()


def test_an_anchor_counts_while_its_entry_waits(published):
    assert verify_log().findings == []
    anchor_due()
    report = verify_log()
    assert report.findings == []
    assert report.waiting > 0
    JournalPage.objects.all().delete()
    SealedDocument.objects.all().delete()
    LogPosition.objects.all().delete()
    assert {finding.kind for finding in verify_log().findings} == {FindingKind.JOURNAL}
