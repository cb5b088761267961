"""The exported journal is verified with the export of the log, and without the key."""

import json

import pytest

from audit.actions import JOURNAL_ANCHORED
from audit.exports.tiles import export_log
from audit.models import AuditAlarm, AuditLog
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from canaries.documents import HOST
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage
from canaries.sealed import store
from canaries.sealed.store import anchor_due
from canaries.services.exporting import export_journal
from canaries.services.reading import read_journal
from kernel.crypto.encoding import encode_base64
from tests.audit.ccverify import run
from tests.tampering.writing import sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def exported(monkeypatch, published, planted, tmp_path):
    """The log, and later the journal, which has three anchors: one of them has no entry in the log."""
    monkeypatch.setattr(store, "_PERIOD", store._PERIOD * 0)
    anchor_due()
    sequence()
    sign()
    export_log(tmp_path / "log", lambda *_: None)
    lines = list(export_journal(by=HOST))
    monkeypatch.undo()
    return lines


@pytest.fixture
def verify(tmp_path):
    keys = [argument for key in trusted_keys() for argument in ("--key", key.vkey)]

    def verdict(lines):
        path = tmp_path / "journal.jsonl"
        path.write_bytes(b"".join(lines))
        done = run("verify-journal", path, "--dir", tmp_path / "log", *keys)
        return done.returncode, done.stdout + done.stderr

    return verdict


def changed(line, **members):
    return json.dumps({**json.loads(line), **members}).encode() + b"\n"


def test_an_export_is_good_and_names_what_happened(exported, verify):
    code, text = verify(exported)
    assert code == 0, text
    assert "The pages up to 3 of 4 are those to which 2 entries of the log commit." in text
    pages = [json.loads(line) for line in exported]
    words = [[record["word"] for record in page["records"]] for page in pages]
    assert words == [
        ["journal.anchored"],
        ["canary.planted"],
        ["journal.anchored"],
        ["journal.exported", "journal.anchored"],
    ]
    first = AuditLog.objects.filter(action=JOURNAL_ANCHORED).earliest("id")
    assert pages[0]["anchor"]["log_id"] == first.id
    assert pages[3]["anchor"]["log_id"] is None


def test_an_altered_export_is_not(exported, verify):
    one, two, three, four = exported
    other = encode_base64(b"x" * 4096)
    wrong = {
        "a page missing": [one, three, four],
        "two exchanged": [one, three, two, four],
        "the first missing": [two, three, four],
        "other bytes": [one, changed(two, sealed=other), three, four],
        "another number": [one, changed(two, page=7), three, four],
        "another digest": [one, changed(two, digest="0" * 64), three, four],
        "another salt": [one, two, changed(three, anchor={"salt": "00" * 32}), four],
        "an anchor missing": [one, two, changed(three, anchor={}), four],
        "cut off": [one, two],
        "empty": [],
        "no JSON": [b"journal\n"],
        "no page": [b"[]\n"],
    }
    passed = {name: text for name, lines in wrong.items() if (text := verify(lines))[0] != 1}
    assert passed == {}


def test_a_chain_that_was_made_anew_is_not_that_of_the_log(exported, verify):
    """Each digest of the file is right, and only the entry of the log shows the difference."""
    lines, previous = [], store.journal.FIRST
    for line in exported:
        page = json.loads(line)
        sealed = b"y" * 4096
        digest = store.journal.digest_after(previous, sealed)
        lines.append(
            changed(line, sealed=encode_base64(sealed), previous=previous, digest=digest, page=page["page"])
        )
        previous = digest
    code, text = verify(lines)
    assert (code, "are not those of this log" in text) == (1, True), text


def test_it_needs_the_log(exported, verify, tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(exported[0])
    done = run("verify-journal", path, "--key", "x+00000000+")
    assert (done.returncode, "--dir" in done.stderr) == (2, True)


def test_an_altered_page_ends_the_export_and_raises_an_alarm(exported):
    JournalPage.objects.filter(number=2).update(sealed=b"x" * 4096)
    with pytest.raises(DocumentsAltered):
        list(export_journal(by=HOST))
    assert AuditAlarm.objects.get().found == "page 2 of the journal does not open"


def test_an_altered_page_ends_the_list_of_records(exported):
    JournalPage.objects.filter(number=2).update(sealed=b"x" * 4096)
    with pytest.raises(DocumentsAltered):
        read_journal(before=3, limit=1)
