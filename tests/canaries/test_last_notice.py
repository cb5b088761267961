"""Officers get a notice if no sealed row can be read or written any more."""

import json
import threading

import pytest
from django.db import connection, utils

from canaries.delivery import last_notice
from canaries.documents import HOST, ChannelKind
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage, LogPosition, SealedDocument
from canaries.services.channels import add_channel
from canaries.watching.watching import watch_log
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.test_lock_waits import held
from tests.log_entries import log_rows
from tests.tampering.altering import execute, without_triggers
from tests.waiting import SOON

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def watched(sealed, receiver):
    """A worker that has done its work once, with a channel."""
    add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://localhost:{receiver.port}/")
    watch_log()
    return receiver


def texts_of(receiver):
    for thread in threading.enumerate():
        if thread.name == "last notice":
            thread.join(SOON)
    return [json.loads(body)["data"]["text"] for _, body in receiver.requests]


def watch_in_vain(error):
    for _ in range(2):
        with pytest.raises(error):
            watch_log()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (SealedDocument.objects.filter(name="set"), 'document "set" is missing'),
        (SealedDocument.objects.all(), "is missing"),
        (JournalPage.objects.all(), "the journal is missing"),
    ],
)
def test_deleted_rows_are_one_notice_at_once(watched, rows, found):
    kept = list(rows.all())
    rows.all().delete()
    watch_in_vain(DocumentsAltered)
    [text] = texts_of(watched)
    assert found in text
    rows.model.objects.bulk_create(kept)
    watch_log()
    rows.all().delete()
    watch_in_vain(DocumentsAltered)
    assert texts_of(watched) == [text, text]


def test_rows_that_cannot_be_read_are_a_notice_if_that_lasts(watched, monkeypatch):
    execute("ALTER TABLE sealed_documents RENAME TO away")
    try:
        watch_in_vain(utils.DatabaseError)
        assert texts_of(watched) == []
        monkeypatch.setattr(last_notice, "PATIENCE", 0.0)
        watch_in_vain(utils.DatabaseError)
        [text] = texts_of(watched)
    finally:
        connection.close()
        execute("ALTER TABLE away RENAME TO sealed_documents")
    assert "cannot read or write its rows" in text


def test_an_altered_position_is_named(watched):
    LogPosition.objects.update(last_id=1)
    watch_in_vain(IntegrityFailed)
    [text] = texts_of(watched)
    assert "Someone altered the database: A row of log_position was changed" in text


def test_the_disguise_of_a_new_installation_is_one_notice(watched):
    """The tables are empty, and the log has no anchor of the journal."""
    for model in (SealedDocument, JournalPage, LogPosition):
        model.objects.all().delete()
    log_rows()
    with without_triggers():
        execute(
            "UPDATE audit_logs SET action = 'audit.export.requested' WHERE action = 'audit.journal.anchored'"
        )
    watch_in_vain(DocumentsAltered)
    [text] = texts_of(watched)
    assert "the journal was put back from page" in text
    assert JournalPage.objects.count() == 0


def test_a_lock_that_another_session_holds_is_a_notice(
    watched, planted, key, developer, settings, monkeypatch
):
    settings.CC_LOCK_WAIT_SECONDS = 0.5
    monkeypatch.setattr(last_notice, "PATIENCE", 0.0)
    developer.api.post("/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGk="})
    log_rows()
    with held(f"SELECT pg_advisory_lock({int.from_bytes(b'cc-canar')})"):
        watch_in_vain(utils.OperationalError)
    assert "cannot read or write its rows" in texts_of(watched)[0]
