"""Each alteration of the sealed documents, the journal or the position is a finding, and most raise an alarm."""

from contextlib import suppress

import pytest
from django.db import connection
from msgspec.structs import replace

from audit.actions import JOURNAL_ANCHORED
from audit.log.packed_rows import COLUMNS
from audit.models import AuditAlarm
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from audit.verification.inspection import Inspection
from audit.verification.leaves import Seen
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage, LogPosition, SealedDocument
from canaries.sealed import journal, store
from canaries.sealed.sealing import open_page, seal_page
from canaries.sealed.store import anchor_of, changing
from canaries.sealed.verification import JournalCheck
from canaries.watching.watching import watch_log
from kernel.trust.row_mac import IntegrityFailed
from tests.tampering.altering import execute
from tests.tampering.writing import sequence

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

MODELS = (SealedDocument, JournalPage, LogPosition)


class Copy:
    """The rows of the three tables at this moment."""

    def __init__(self):
        self.rows = {model: list(model.objects.all()) for model in MODELS}

    def put_back(self, *models):
        for model in models:
            model.objects.all().delete()
            model.objects.bulk_create(self.rows[model])


@pytest.fixture
def old(published, monkeypatch, planted, key, developer, watch):
    """A copy from before a touch. The log has anchors from before and after it."""
    copy = Copy()
    monkeypatch.setattr(store, "_PERIOD", store._PERIOD * 0)
    for _ in range(2):
        developer.api.post(
            "/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGk="}
        )
        watch()
    monkeypatch.undo()
    sequence()
    assert verify_log().findings == []
    return copy


def delete(model, **where):
    return lambda _old: model.objects.filter(**where).delete()


def flip(model, bit=1, **where):
    """Alter the last byte."""

    def attack(_old):
        row = model.objects.get(**where)
        sealed = bytes(row.sealed)
        model.objects.filter(**where).update(sealed=sealed[:-1] + bytes([sealed[-1] ^ bit]))

    return attack


def all_of(*attacks):
    return lambda old: [attack(old) for attack in attacks]


def flip_last_page(old):
    flip(JournalPage, number=JournalPage.objects.last().number)(old)


def exchange_pages(_old):
    one, two = JournalPage.objects.filter(number__in=(2, 3))
    JournalPage.objects.filter(number=2).update(sealed=two.sealed)
    JournalPage.objects.filter(number=3).update(sealed=one.sealed)


def put_back(*models):
    return lambda old: old.put_back(*models)


def put_back_alone(name):
    def attack(old):
        row = next(row for row in old.rows[SealedDocument] if row.name == name)
        SealedDocument.objects.filter(name=name).update(sealed=row.sealed)

    return attack


def delete_last_page(_old):
    JournalPage.objects.last().delete()


def repeat_last_page(_old):
    last = JournalPage.objects.last()
    JournalPage.objects.create(number=last.number + 1, sealed=last.sealed)


# name -> (attack, a part of the findings, whether the watcher notices it at once)
ATTACKS = {
    "set deleted": (delete(SealedDocument, name="set"), '"set" is missing', True),
    "incidents deleted": (delete(SealedDocument, name="incidents"), '"incidents" is missing', True),
    "set altered": (flip(SealedDocument, name="set"), '"set" is not the one', True),
    "incidents altered": (flip(SealedDocument, name="incidents"), '"incidents" is not the one', True),
    "set put back": (put_back_alone("set"), '"set" is not the one', True),
    "incidents put back": (put_back_alone("incidents"), '"incidents" is not the one', True),
    "both put back": (put_back(SealedDocument), '"set" is not the one', True),
    "a document added": (lambda _: SealedDocument.objects.create(name="x", sealed=b"x"), '"x" is not', True),
    "first page deleted": (delete(JournalPage, number=1), "expected page 1", False),
    "a page deleted": (delete(JournalPage, number=2), "expected page 2", False),
    "last page deleted": (delete_last_page, "is not the one of page", True),
    "a page altered": (flip(JournalPage, number=2), "page 2 does not open", False),
    "two pages exchanged": (exchange_pages, "page 2 does not open", False),
    "last page repeated": (repeat_last_page, "does not open", True),
    "every page deleted": (delete(JournalPage), "no page that opens", True),
    "last page altered": (flip_last_page, "does not open", True),
    "journal and position deleted": (
        all_of(delete(JournalPage), delete(LogPosition)),
        "no page that opens",
        True,
    ),
    "journal and documents deleted": (
        all_of(delete(JournalPage), delete(SealedDocument)),
        "no page that opens",
        True,
    ),
    "journal put back": (put_back(JournalPage), "is not the one of page", True),
    "all but the position put back": (
        put_back(SealedDocument, JournalPage),
        "no page with the anchor",
        True,
    ),
    "everything put back": (put_back(*MODELS), "no page with the anchor", True),
    "everything deleted": (all_of(*map(delete, MODELS)), "are missing", True),
    "position deleted": (delete(LogPosition), "the position in the log is missing", True),
    "position put back": (put_back(LogPosition), "was put back from", True),
    "position moved": (
        lambda _: LogPosition.objects.update(last_id=10**9),
        "of log_position was altered",
        True,
    ),
}


# A column of SQLite takes any type.
SQLITE_ATTACKS = {
    "a document is a text": ("UPDATE sealed_documents SET sealed = 'x'", '"set" is not the one', True),
    "a page is a text": ("UPDATE journal_pages SET sealed = 'x' WHERE number = 2", "page 2 does not", False),
    "a number is a text": ("UPDATE journal_pages SET number = 'x' WHERE number = 2", "expected page 2", True),
    "the position is a text": ("UPDATE log_position SET last_id = 'x'", "of log_position was altered", True),
}


def test_each_alteration_is_found(old):
    kept = Copy()
    wrong = {}
    attacks = dict(ATTACKS)
    if connection.vendor == "sqlite":
        for name, (statement, *expected) in SQLITE_ATTACKS.items():
            attacks[name] = (lambda _, statement=statement: execute(statement), *expected)
    for name, (attack, text, is_noticed) in attacks.items():
        attack(old)
        findings = verify_log(known_alarms=len(attacks)).findings
        seen = {finding.kind for finding in findings}, [alarms_of_watcher(), alarms_of_watcher()]
        if not any(text in finding.text for finding in findings):
            wrong[name] = findings
        elif not seen[0] <= KINDS or seen[1] != [["journal_altered"] if is_noticed else []] * 2:
            wrong[name] = seen
        AuditAlarm.objects.all().delete()
        kept.put_back(*MODELS)
        watch_log()  # the process has the number of the last page in memory
    assert wrong == {}


KINDS = {FindingKind.JOURNAL, FindingKind.ROW}


def alarms_of_watcher():
    with suppress(DocumentsAltered, IntegrityFailed):
        watch_log()
    return list(AuditAlarm.objects.values_list("kind", flat=True))


def test_a_change_does_not_hide_an_alteration(old):
    """Otherwise it would write a page with the number of the deleted one."""
    pages = JournalPage.objects.count()
    delete_last_page(old)
    with pytest.raises(DocumentsAltered), changing():
        pass
    assert JournalPage.objects.count() == pages - 1


def test_another_alteration_is_another_alarm(old):
    """Even if it was found in the same place."""
    kept, last = Copy(), JournalPage.objects.last().number
    attacks = [
        *(flip(SealedDocument, bit, name="set") for bit in (1, 2)),
        *(flip(JournalPage, bit, number=last) for bit in (1, 2)),
        *(lambda _, end=end: LogPosition.objects.update(last_id=end) for end in (10**8, 10**9)),
    ]
    for attack in attacks:
        attack(old)
        with pytest.raises((DocumentsAltered, IntegrityFailed)):
            watch_log()
        kept.put_back(*MODELS)
    watch_log()
    assert AuditAlarm.objects.count() == len(attacks)


@pytest.mark.parametrize(
    ("attack", "texts"),
    [
        (delete(JournalPage, number=2), ["pages are missing before page 3: expected page 2"]),
        (
            flip(JournalPage, number=2),
            ["page 2 does not open: it was altered", "page 3 does not follow the page before it"],
        ),
        (put_back_alone("set"), ['the sealed document "set" is not the one of page 6 of the journal']),
        (
            flip_last_page,
            [
                "page 6 does not open: it was altered",
                "the journal has no page with the anchor of this entry",
            ],
        ),
    ],
)
def test_an_alteration_has_no_further_findings(attack, texts, old):
    attack(old)
    assert [each.text.removeprefix("sealed journal: ") for each in verify_log().findings] == texts


def test_a_page_of_another_chain_is_found(old):
    """Only the application can seal one, such as that of another installation with the same keys."""
    page = open_page(2, JournalPage.objects.get(number=2).sealed)
    other = seal_page(replace(page, previous="11" * 32))
    JournalPage.objects.filter(number=2).update(sealed=other)

    with pytest.raises(DocumentsAltered) as raised:
        list(journal.read())
    assert raised.value.found == "page 2 of the journal does not follow the page before it"
    assert [each.text for each in verify_log().findings] == [
        "sealed journal: page 2 does not follow the page before it",
        "sealed journal: page 3 does not follow the page before it",
    ]


def test_pages_after_a_number_are_read(old):
    pages = list(journal.read())
    assert [each.page.number for each in pages] == [1, 2, 3, 4, 5, 6]
    assert list(journal.read(4)) == pages[4:]
    delete(JournalPage, number=3)(old)
    with pytest.raises(DocumentsAltered) as raised:
        list(journal.read())
    assert raised.value.found == "page 3 of the journal is missing"


def entry_of(digest, *, is_authentic=True):
    values = [None] * len(COLUMNS)
    values[COLUMNS.index("action")], values[COLUMNS.index("meta")] = (
        JOURNAL_ANCHORED,
        f'{{"digest":"{digest}"}}',
    )
    return Seen(7, 8, tuple(values), Inspection(None, is_authentic))


def test_each_anchor_needs_its_authentic_entry_in_the_order_of_the_log(old):
    digests = [anchor.commitment for each in journal.read() if (anchor := anchor_of(each.page, each.digest))]
    assert len(digests) > 2

    def texts(*entries):
        check = JournalCheck()
        list(check.check(entries))
        return [each.text.removeprefix("sealed journal: ") for each in check.finish()]

    assert texts(*map(entry_of, digests)) == []
    forged = entry_of(digests[-1], is_authentic=False)
    assert texts(*map(entry_of, digests[:-1]), forged) == ["the log has no entry of the anchor in page 6"]
    [text] = texts(*map(entry_of, reversed(digests)))
    assert "another order" in text


def test_a_position_beyond_the_log_is_found(old):
    position = LogPosition.objects.get()
    position.last_id += 100
    position.save_with_mac()  # as only the application can
    [finding] = verify_log().findings
    assert "the newest entry" in finding.text
