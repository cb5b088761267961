"""Pages of several apps cost a fixed number of database statements, independent of the number of rows."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditExport
from audit.services.resolving import resolve_alarm
from kernel.clock import database_now
from keys.deletion.services import schedule_deletion
from keys.states.services import disable_key
from tests.browsing import signed_in
from tests.console.conftest import HTMX
from tests.endpoints import make_alarm

pytestmark = pytest.mark.django_db(transaction=True)

CLOCK = int(connection.vendor == "postgresql")  # PostgreSQL provides the time; on SQLite the process does
# The session, the epochs, the account; the session renewed, in a transaction. A poll renews no session.
READER, RENEWED = 3, 3
PAGES = {
    "/home/": READER + RENEWED + 5,  # one of them because keys need attention
    "/usage/": READER + RENEWED + 4,
    "/usage/numbers.csv": READER + RENEWED + 1,
    "/system/": READER + RENEWED + 5 + CLOCK,
    "/system/backups/": READER
    + RENEWED
    + 4,  # the last ones; the backups; the drill; the key-encryption keys
    "/reference/": READER + RENEWED,
    "/reference/keys/": READER + RENEWED,
    "/search/?q=key-": READER + RENEWED + 6,  # keys, tags, policies, users, service accounts, tokens
}
POLLS = {("/home/", "home-now"): READER + 2, ("/system/", "system-now"): READER + 5 + CLOCK}


def cost(browser, path, **headers):
    """The number of statements of a repeated request."""
    assert browser.get(path, headers=headers).status_code == 200
    with CaptureQueriesContext(connection) as statements:
        browser.get(path, headers=headers)
    return len(statements)


def add_rows(persona, make_key, use, number):
    for each in range(number, number + 3):
        key = make_key(persona, f"key-{each}", rotation_period_days=90)
        use(key, 5, by=persona)
        use(key, 1, by=persona, outcome="denied")
        disable_key(principal=persona.principal, key_id=key.id, reason="a rehearsal")


def test_a_page_costs_the_same_statements_however_many_rows_there_are(at_admin, admin, make_key, use):
    for number in (0, 3, 6):
        add_rows(admin, make_key, use, number)
        assert {path: cost(at_admin, path) for path in PAGES} == PAGES
    assert max(PAGES.values()) - RENEWED + 1 <= 12  # requests do not wait for BEGIN and COMMIT


def test_a_polled_part_costs_fewer_statements(at_admin):
    for (path, part), statements in POLLS.items():
        assert cost(at_admin, path, **HTMX, HX_Target=part, CC_Poll="true") == statements


def test_home_costs_twelve_statements_at_most_if_everything_needs_attention(
    at_admin, admin, developer, make_key, use
):
    add_rows(admin, make_key, use, 0)
    for name, days in (("near", 2), ("needed", 20)):
        doomed = make_key(admin, name)
        schedule_deletion(principal=admin.principal, key_id=doomed.id, reason="test", confirm_name=name)
        doomed.refresh_from_db()
        doomed.deletion_at = database_now() + timedelta(days=days)
        doomed.save_with_mac()
        use(doomed, 1, by=admin, outcome="denied")
    developer.api.post(f"/api/v1/keys/{uuid4()}/revoke", {"reason": "a try"})
    AuditExport.objects.create(
        kind="audit_export",
        format="jsonl",
        status="failed",
        error_code="internal",
        finished_at=database_now(),
    )
    for _ in range(2):
        alarm = make_alarm()
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a rehearsal")
    assert cost(at_admin, "/home/") - RENEWED + 1 <= 12


def test_a_developer_costs_less(developer, make_key, use):
    make_key(developer, "his")
    assert cost(signed_in(developer), "/home/") == PAGES["/home/"] - 2  # no verification, no alert
