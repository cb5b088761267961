"""The limits of one search of the log."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection

from audit.browse import search_limits
from audit.browse.selection import LogCriteria
from audit.errors import SearchTimeout
from audit.services.searching import search_logs
from kernel.identities import Identity
from tests.browsing import signed_in

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

SEARCH = "/api/v1/audit/logs?search=word"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@contextmanager
def search_running(persona):
    """Run a search in another thread, with its own connection, for the duration of the block."""
    runs, may_end = threading.Event(), threading.Event()

    def search():
        try:
            with search_logs(reader=persona.principal, criteria=LogCriteria(search="word")) as found:
                list(found.rows)
                runs.set()
                may_end.wait(60)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(search)
        try:
            assert runs.wait(60)
            yield
        finally:
            may_end.set()
            done.result()


def test_a_user_runs_one_search_at_a_time(developer, auditor):
    with search_running(developer):
        refused = developer.api.get(SEARCH)
        assert (refused.status, refused.code) == (429, "throttled")
        assert refused.json["detail"].startswith("Another of your searches is still running.")
        assert refused.headers["Retry-After"] == "1"
        assert signed_in(developer).get("/audit/?search=word").status_code == 429
        assert developer.api.get(SEARCH.replace("search", "action")).status == 200
        assert auditor.api.get(SEARCH).status == 200
    assert developer.api.get(SEARCH).status == 200


def test_a_search_that_takes_too_long_is_stopped(developer, monkeypatch):
    caller = Identity.user(uuid4())
    monkeypatch.setattr(search_limits, "SEARCH_SECONDS", 0.1)
    with (
        pytest.raises(SearchTimeout) as refused,
        search_limits.search_limits(caller),
        connection.cursor() as cursor,
    ):
        cursor.execute(ENDLESS)
    assert list(refused.value.fields) == ["search"]

    # Neither the turn nor the time limit outlives it.
    monkeypatch.setattr(search_limits, "SEARCH_SECONDS", 60)
    with search_limits.search_limits(caller):
        pass
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS.replace("FROM n)", "FROM n WHERE i < 300000)"))
        assert cursor.fetchone() == (300_000,)
