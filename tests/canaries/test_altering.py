"""Each alteration of the sealed documents, the journal or the position is a finding, and most raise an alarm."""

from contextlib import suppress

import pytest

from audit.models import AuditAlarm
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from canaries import store
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage, LogPosition, SealedDocument
from canaries.store import anchor_due, changing
from canaries.watching.watching import watch_log
from kernel.trust.row_mac import IntegrityFailed
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


def flip(model, **where):
    """Alter the last byte."""

    def attack(_old):
        row = model.objects.get(**where)
        sealed = bytes(row.sealed)
        model.objects.filter(**where).update(sealed=sealed[:-1] + bytes([sealed[-1] ^ 1]))

    return attack


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
    "journal put back": (put_back(JournalPage), "is not the one of page", True),
    "all but the position put back": (
        put_back(SealedDocument, JournalPage),
        "no page with the anchor",
        False,
    ),
    "everything put back": (put_back(*MODELS), "no page with the anchor", False),
    "everything deleted": (lambda _: [model.objects.all().delete() for model in MODELS], "are missing", True),
    "position deleted": (delete(LogPosition), "the position in the log is missing", True),
    "position put back": (put_back(LogPosition), "was put back from", True),
    "position moved": (
        lambda _: LogPosition.objects.update(last_id=10**9),
        "of log_position was altered",
        True,
    ),
}


def test_each_alteration_is_found(old):
    kept = Copy()
    wrong = {}
    for name, (attack, text, is_noticed) in ATTACKS.items():
        attack(old)
        findings = verify_log(known_alarms=len(ATTACKS)).findings
        seen = {finding.kind for finding in findings}, [alarms_of_watcher(), alarms_of_watcher()]
        if not any(text in finding.text for finding in findings):
            wrong[name] = findings
        elif not seen[0] <= KINDS or seen[1] != [["journal_altered"] if is_noticed else []] * 2:
            wrong[name] = seen
        AuditAlarm.objects.all().delete()
        kept.put_back(*MODELS)
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
    kept = Copy()
    for name in ("set", "incidents"):
        flip(SealedDocument, name=name)(old)
        with pytest.raises(DocumentsAltered):
            watch_log()
        kept.put_back(SealedDocument)
    watch_log()
    assert AuditAlarm.objects.count() == 2


def test_a_position_beyond_the_log_is_found(old):
    position = LogPosition.objects.get()
    position.last_id += 100
    position.save_with_mac()  # as only the application can
    [finding] = verify_log().findings
    assert "the newest entry" in finding.text


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
