"""Officers get a notice if no sealed row can be read or written any more."""

import json

import pytest
from django.db import connection, utils

from canaries.delivery import last_notice
from canaries.documents import HOST, ChannelKind
from canaries.errors import DocumentsAltered
from canaries.models import JournalPage, SealedDocument
from canaries.services.channels import add_channel
from canaries.watching.watching import watch_log
from tests.tampering.altering import execute
from tests.waiting import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def watched(sealed, receiver):
    """A worker that has done its work once, and knows a channel."""
    add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://localhost:{receiver.port}/")
    watch_log()
    return receiver


def texts_of(receiver):
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
    wait_until(lambda: watched.requests)
    [text] = texts_of(watched)
    assert found in text
    rows.model.objects.bulk_create(kept)
    watch_log()
    rows.all().delete()
    watch_in_vain(DocumentsAltered)
    wait_until(lambda: len(watched.requests) == 2)


def test_rows_that_cannot_be_read_are_a_notice_if_that_lasts(watched, monkeypatch):
    execute("ALTER TABLE sealed_documents RENAME TO away")
    try:
        watch_in_vain(utils.DatabaseError)
        assert watched.requests == []
        monkeypatch.setattr(last_notice, "PATIENCE", 0.0)
        watch_in_vain(utils.DatabaseError)
        wait_until(lambda: watched.requests)
    finally:
        connection.close()
        execute("ALTER TABLE away RENAME TO sealed_documents")
    assert "cannot read or write its rows" in texts_of(watched)[0]
