"""Each page of the log needs a fixed number of database queries."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import SavedFilter
from audit.sequencing.running import checkpoint_now
from tests.audit.pages import record_event
from tests.browsing import signed_in
from tests.endpoints import FINISHED_EXPORT, make_target
from tests.factories import KeyFactory

pytestmark = pytest.mark.django_db(transaction=True)

CALLER = 4  # the session, the epochs, the account; the session renewed
STANDING = 4  # waiting entries; the checkpoint; its keys; the last verification
LIST = CALLER + STANDING + 2  # the entries, and the names of their objects
PAGES = {
    "/audit/": LIST,
    "/audit/?object={name}": LIST + 1,  # the ids of the name
    "/audit/?search={name}+created": LIST + 2,  # the ids of the name, and how far the search reads
    "/audit/?search=created&period=7d": LIST + 2,
    "/audit/?live=1": LIST + 1,  # the tree
    "/audit/?more=1": LIST + 2,  # the filter choices, and the names of keys
    "/keys/{name}/activity/?search=created": CALLER + 4,  # the key; its ids; the list, the newest segment
    "/audit/{log_id}/": CALLER + 5,
    "/audit/checkpoints/": CALLER
    + 5,  # the checkpoints, their receipts and keys; the verifications, the pass
    "/audit/archive/": CALLER + 2,  # the segments, and their sum
    "/audit/saved/": CALLER + 1,
    "/audit/exports/": CALLER + 1,
    "/jobs/": CALLER + 6,  # six kinds of jobs
    "/jobs/{export_id}/": CALLER + 1,
}


def test_a_page_costs_the_same_however_many_rows_there_are(auditor, admin):
    browser = signed_in(auditor)
    for _ in range(2):
        for _ in range(3):
            target = make_target(auditor, FINISHED_EXPORT)
            key = KeyFactory(name=f"key-{uuid4()}")
            entry = record_event(auditor.principal.actor, object_type="key", object_id=str(key.id))
            SavedFilter.objects.create(name=f"{entry.id}", owner=auditor.user.id, filters={"outcome": "ok"})
        checkpoint_now()
        values = {"log_id": entry.id, "export_id": target.export_id, "name": key.name}
        paths = {path: path.format(**values) for path in PAGES}
        assert {path: cost(browser, paths[path]) for path in PAGES} == PAGES
    assert max(PAGES.values()) <= 12


def cost(browser, path):
    assert browser.get(path).status_code == 200
    with CaptureQueriesContext(connection) as statements:
        browser.get(path)
    asked = [each["sql"] for each in statements if not each["sql"].startswith(("BEGIN", "COMMIT"))]
    return len([sql for sql in asked if sql != "SELECT clock_timestamp()" and "advisory" not in sql])
