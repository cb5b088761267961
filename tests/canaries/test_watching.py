"""Each entry about a canary is found, once, on every way."""

import pytest

from canaries.sealed.store import read_incidents
from canaries.watching import watching
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = {"algorithm": "aes-256-gcm", "data": "aGk="}


@pytest.fixture
def touches(watch):
    def found():
        watch()
        return [(each.first.action, each.touches) for each in read_incidents().incidents]

    return found


def test_use_of_a_key_is_one_incident_of_the_person(planted, key, developer, touches):
    assert touches() == []  # its creation was before
    for _ in range(3):
        assert developer.api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT}).status == 200
    assert touches() == [("crypto.message.encrypted", 3)]
    developer.api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT})
    assert touches() == [("crypto.message.encrypted", 4)]


def test_a_refused_use_by_another_is_an_incident(planted, key, stranger, touches):
    assert stranger.api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT}).status == 404
    assert touches() == [("crypto.message.encrypted", 1)]


def test_other_keys_are_none(planted, developer, touches):
    other = developer.api.post("/api/v1/keys", {"name": "orders", "algorithm": "aes-256"}).json
    developer.api.post("/api/v1/encrypt", {"key_id": other["id"], **TEXT})
    assert touches() == []


def test_a_worker_that_was_slower_notes_nothing(planted, key, developer, monkeypatch):
    """Another one has noted the same rows since they were read."""
    developer.api.post("/api/v1/encrypt", {"key_id": key["id"], **TEXT})
    log_rows()
    read = watching.rows_after

    def read_slowly(last_id):
        rows = read(last_id)
        monkeypatch.setattr(watching, "rows_after", read)
        watching.watch_log()
        return rows

    monkeypatch.setattr(watching, "rows_after", read_slowly)
    watching.watch_log()
    assert [each.touches for each in read_incidents().incidents] == [1]
