"""Counters of statements and connections, which every reader of the metrics sees, do not show what became of a touch."""

import pytest

from canaries.delivery.delivering import deliver_notices
from canaries.documents import HOST, ChannelKind
from canaries.sealed.store import changing, read_incidents, read_set
from canaries.services.channels import add_channel
from canaries.watching.watching import watch_log
from kernel.databases.counting import uncounted_statements
from kernel.models import KekRewrap
from tests.canaries.test_hidden_paths import counted
from tests.log_entries import log_rows
from tests.waiting import wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def of_the_database():
    return {name: value for name, value in counted().items() if name[0].startswith("django_db")}


def test_the_watcher_is_not_counted(planted, key, developer):
    developer.api.post("/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGk="})
    log_rows()
    before = of_the_database()
    watch_log()
    assert of_the_database() == before
    assert len(read_incidents().incidents) == 1


def test_a_delivery_is_not_counted(sealed, receiver):
    add_channel(by=HOST, kind=ChannelKind.WEBHOOK, target=f"https://localhost:{receiver.port}/")
    before = of_the_database()
    deliver_notices()
    wait_until(lambda: not any(notice.waiting for notice in read_incidents().notices))
    assert of_the_database() == before
    assert receiver.requests


def test_a_reader_of_a_changed_set_is_not_counted(sealed):
    read_set()
    before = of_the_database()
    with changing():
        pass
    read_set()
    assert of_the_database() == before


def test_blocks_may_be_nested(db):
    before = of_the_database()
    with uncounted_statements():
        with uncounted_statements():
            KekRewrap.objects.exists()
        KekRewrap.objects.exists()
    assert of_the_database() == before
    KekRewrap.objects.exists()
    assert of_the_database() != before
