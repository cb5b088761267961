"""Each page of the log needs a fixed number of database queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import SavedFilter
from audit.sequencing.running import checkpoint_now
from tests.audit.pages import record_event
from tests.browsing import signed_in
from tests.endpoints import FINISHED_EXPORT, make_target

pytestmark = pytest.mark.django_db(transaction=True)

CALLER = 4  # the session, the epochs, the account; the session renewed
STANDING = 5  # waiting entries; the checkpoint; its keys, and their instance; the last verification
LIST = CALLER + STANDING + 2  # the filter choices, and the entries
PAGES = {
    "/audit/": LIST,
    "/audit/?search=word": LIST + 1,  # how far the search reads
    "/audit/?search=word&period=7d": LIST + 1,
    "/audit/?live=1": LIST + 1,  # the size of the tree
    "/audit/{log_id}/": CALLER + 4,
    "/audit/saved/": CALLER + 1,
    "/audit/exports/": CALLER + 1,
    "/jobs/": CALLER + 1,
    "/jobs/{export_id}/": CALLER + 1,
}


def test_a_page_costs_the_same_however_many_rows_there_are(auditor):
    browser = signed_in(auditor)
    for _ in range(2):
        for _ in range(3):
            target = make_target(auditor, FINISHED_EXPORT)
            entry = record_event(auditor.principal.actor)
            SavedFilter.objects.create(name=f"{entry.id}", owner=auditor.user.id, filters={"outcome": "ok"})
        checkpoint_now()
        paths = {path: path.format(log_id=entry.id, export_id=target.export_id) for path in PAGES}
        assert {path: cost(browser, paths[path]) for path in PAGES} == PAGES


def cost(browser, path):
    assert browser.get(path).status_code == 200
    with CaptureQueriesContext(connection) as statements:
        browser.get(path)
    asked = [each["sql"] for each in statements if not each["sql"].startswith(("BEGIN", "COMMIT"))]
    return len([sql for sql in asked if "clock_timestamp()" not in sql and "advisory" not in sql])
