"""The pages of alarms: a list, and a form that resolves one with a reason and a recent sign-in."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from audit import actions
from audit.models import AuditAlarm
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from audit.services.resolving import resolve_alarm
from audit.views.alarms import LIMIT
from kernel.clock import database_now
from tests.audit.pages import links, text_of
from tests.audit.sequencing.log import altered
from tests.browsing import signed_in
from tests.endpoints import make_alarm
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_admin(admin):
    return signed_in(admin)


def url_of(alarm):
    return f"/audit/alarms/{alarm.id}/resolve"


def test_an_alarm_is_resolved_with_a_reason_and_the_decision_is_on_record(at_admin, admin):
    alarm = make_alarm()
    assert url_of(alarm) in links(at_admin.get("/system/"))
    assert "Entry altered" in text_of(at_admin.get(url_of(alarm)))
    response = at_admin.post(url_of(alarm), {"reason": "restored from the backup"})
    assert (response.status_code, response["Location"]) == (303, "/audit/alarms/")
    entry = log_rows().get(action=actions.ALARM_RESOLVED)
    assert (entry.user_id, entry.source) == (admin.user.id, "console")
    assert "No open alarms." in text_of(at_admin.get("/system/"))
    assert "restored from the backup" in text_of(at_admin.get("/audit/alarms/?status=all"))
    assert "Resolved" in text_of(at_admin.get(url_of(alarm)))


@pytest.mark.parametrize("reason", ["", "x" * 101])
def test_without_a_reason_the_form_is_shown_again(reason, at_admin):
    alarm = make_alarm()
    assert at_admin.post(url_of(alarm), {"reason": reason}).status_code == 422
    assert AuditAlarm.objects.open().count() == 1


def test_an_altered_alarm_leads_to_the_entry_that_is_decided_about(at_admin):
    alarm = make_alarm()
    entry = log_rows().get(event_id=alarm.event_id)
    altered("UPDATE audit_alarms SET kind = 'sequence_gap', log_id = 1, raised_at = '2026-01-01 00:00:00'")
    page = at_admin.get(url_of(alarm))
    assert f"/audit/{entry.id}/" in links(page)
    assert f"Your decision applies to entry {entry.id} (entry_altered)" in text_of(page)
    altered("UPDATE audit_logs SET meta = '{}' WHERE id = %s", entry.id)
    assert "The log has no intact entry for it" in text_of(at_admin.get(url_of(alarm)))


def test_the_page_names_the_loss_that_a_resolution_accepts(at_admin):
    raise_alarms([Alarm(kind=AlarmKind.SEQUENCE_GAP, writer="w", expected=6, found=4)])
    loss = "entries 5 to 6 of writer w are missing"
    assert f"Resolving accepts: {loss}." in text_of(at_admin.get(url_of(AuditAlarm.objects.get())))
    assert loss in text_of(at_admin.get("/audit/alarms/"))
    altered("UPDATE audit_alarms SET expected = '7'")
    assert "Resolving accepts" not in text_of(at_admin.get(url_of(AuditAlarm.objects.get())))


def test_an_alarm_that_was_resolved_meanwhile_is_not_resolved_again(at_admin, admin):
    alarm = make_alarm()
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="seen")
    response = at_admin.post(url_of(alarm), {"reason": "seen, too"})
    assert response.status_code == 422
    assert "already resolved" in text_of(response)


def test_an_old_sign_in_is_renewed_first(at_admin, monkeypatch):
    alarm = make_alarm()
    later = database_now() + timedelta(minutes=11)
    monkeypatch.setattr("kernel.pages.form_views.database_now", lambda: later)
    monkeypatch.setattr("audit.services.resolving.database_now", lambda: later)
    for response in (at_admin.get(url_of(alarm)), at_admin.post(url_of(alarm), {"reason": "seen"})):
        assert response.status_code in {302, 303}
        assert response["Location"].startswith(f"/reauth/?next={quote(url_of(alarm), safe='')}")
    assert AuditAlarm.objects.open().count() == 1


def test_a_reader_without_the_permission_to_resolve_sees_no_button(auditor):
    alarm = make_alarm()
    browser = signed_in(auditor)
    for path in ("/system/", "/audit/alarms/"):
        response = browser.get(path)
        assert "Entry altered" in text_of(response)
        assert url_of(alarm) not in links(response)


def test_the_list_has_pages_and_shows_which_alarm_was_altered(at_admin):
    for _ in range(LIMIT + 1):
        make_alarm()
    assert "/audit/alarms/?page=2" in links(at_admin.get("/audit/alarms/"))
    assert len(at_admin.get("/audit/alarms/?page=2").context["alarms"]) == 1
    altered("UPDATE audit_alarms SET resolved_at = raised_at, reason = 'nothing'")
    assert "The stored alarm was altered." in text_of(at_admin.get("/audit/alarms/"))
