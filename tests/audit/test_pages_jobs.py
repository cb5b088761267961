"""Exports in the browser: requested, watched as jobs, cancelled and fetched."""

import hashlib
import re
from datetime import timedelta
from html import unescape

import pytest

from audit.browse.selection import LogCriteria
from audit.exports import task
from audit.log.events import Outcome
from audit.models import AuditExport
from audit.services import exports
from console.jobs.progress import pace, progress_of
from kernel.clock import database_now
from kernel.jobs.running import run_job
from tests.audit.pages import part, record_event, text_of
from tests.browsing import signed_in
from tests.log_entries import log_rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(auditor):
    return signed_in(auditor)


@pytest.fixture
def recorded(developer):
    actor = developer.principal.actor
    return [record_event(actor, "test.many.done", outcome=Outcome.DENIED) for _ in range(3)] + [
        record_event(actor)
    ]


@pytest.fixture
def export(auditor):
    return exports.request_export(
        principal=auditor.principal, export_format="csv", criteria=LogCriteria(action="test.many.done")
    )


def finish(export):
    run_job(task.KIND, export.id, lambda: False)
    export.refresh_from_db()


def show(browser, export, **columns):
    AuditExport.objects.filter(id=export.id).update(**columns)
    return part(browser, f"/jobs/{export.id}/", "job-progress")


def test_the_export_contains_the_filtered_entries(browser, recorded):
    asked = browser.get("/audit/exports/new?search=result:denied&action=test.many.done")
    assert "Action: test.many.done" in text_of(asked)
    address = unescape(re.search(r'action="(/audit/exports/new[^"]*)"', asked.content.decode())[1])
    ordered = browser.post(address, {"format": "csv"})
    export = AuditExport.objects.get()
    assert ordered["Location"] == f"/jobs/{export.id}/"
    assert export.filters == {"action": "test.many.done", "outcome": "denied"}
    finish(export)
    assert export.rows == 3
    page = text_of(browser.get(ordered["Location"]))
    assert "Rows 3" in page
    assert "Format CSV Filters Action: test.many.done Result: Denied" in page
    assert export.sha256 in page
    response = browser.post(f"/audit/exports/{export.id}/file")
    assert hashlib.sha256(response.getvalue()).hexdigest() == export.sha256
    actions = set(log_rows().filter(object_id=str(export.id)).values_list("action", flat=True))
    assert actions == {"audit.export.requested", "audit.export.finished", "audit.export.downloaded"}


def test_a_filter_that_is_not_understood_exports_nothing(browser, recorded):
    response = browser.post("/audit/exports/new?from=yesterday", {"format": "csv"})
    assert response.status_code == 422
    assert "Enter a UTC time" in text_of(response)
    assert not AuditExport.objects.exists()


@pytest.mark.parametrize(("query", "offered"), [("", True), ("?outcome=denied", False)])
def test_an_archive_is_offered_of_the_whole_log_only(browser, query, offered):
    content = browser.get(f"/audit/exports/new{query}").content.decode()
    assert ('value="tiles"' in content) is offered
    assert browser.post(f"/audit/exports/new{query}", {"format": "tiles"}).status_code == (
        303 if offered else 422
    )


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_old_sign_in_leads_to_the_factor_and_back_with_the_filters(browser, auditor, method, monkeypatch):
    monkeypatch.setattr("accounts.principals.RECENT", timedelta(seconds=-1))
    sent = {"data": {"format": "csv"}} if method == "post" else {}
    response = getattr(browser, method)("/audit/exports/new?action=test.many.done", **sent)
    assert response.status_code == 302
    assert response["Location"].startswith("/reauth/?next=%2Faudit%2Fexports%2Fnew%3Faction%3Dtest.many.done")
    assert not AuditExport.objects.exists()


def test_the_page_explains_the_limit_of_exports(browser, auditor, monkeypatch):
    monkeypatch.setattr("audit.services.exports.MOST_EXPORTS", 0)
    response = browser.post("/audit/exports/new", {"format": "csv"})
    assert response.status_code == 422
    assert "Cancel one, or wait until one expires." in text_of(response)


def test_a_job_shows_how_far_it_is_and_how_long_it_takes(browser, recorded, export):
    content = part(browser, f"/jobs/{export.id}/", "job-progress").content.decode()
    assert 'hx-trigger="every 1s"' in content
    assert "Waiting for a worker." in content
    running = {
        "status": "running",
        "lease_until": database_now(),
        "lease_holder": "x",
        "started_at": database_now() - timedelta(seconds=170),
        "done": 12_400,
        "total": 50_000,
    }
    text = text_of(show(browser, export, **running))
    assert "12 400 of 50 000 rows (24%), about 9 minutes left" in text


@pytest.mark.parametrize(("polls", "seconds"), [(0, 1), (4, 1), (5, 2), (9, 2), (10, 5), (1000, 5)])
def test_the_page_polls_less_and_less_often(polls, seconds):
    assert pace(polls) == seconds


def test_progress_is_announced_by_quarters_and_at_the_end(browser, recorded, export):
    AuditExport.objects.filter(id=export.id).update(total=100, done=49)
    address = f"/jobs/{export.id}/"
    assert "25% done." in text_of(part(browser, address, "job-progress", reached=0))
    assert "% done." not in text_of(part(browser, address, "job-progress", reached=25))
    AuditExport.objects.filter(id=export.id).update(total=None, done=0)
    finish(export)
    ended = part(browser, address, "job-progress", reached=75)
    assert "Export complete: 3 rows." in text_of(ended)
    assert "hx-trigger" not in ended.content.decode()
    assert "Download" in text_of(ended)


def test_a_failure_shows_what_to_do(browser, recorded, export):
    failed = {"status": "failed", "finished_at": database_now(), "error_code": "export_not_written"}
    response = show(browser, export, **failed)
    assert "The file could not be written." in text_of(response)
    assert "hx-trigger" not in response.content.decode()


def test_a_job_that_no_one_takes_shows_since_when(browser, recorded, export):
    late = database_now() - timedelta(minutes=5)
    assert "No worker has been active yet." in text_of(show(browser, export, due_at=late))
    other = AuditExport.objects.create(kind="audit_export", format="csv", started_at=late)
    assert f"No worker has been active since {late:%Y-%m-%d %H:%MZ} ." in text_of(show(browser, export))
    assert other.status == "pending"


def test_a_job_is_cancelled_after_a_question(browser, recorded, export):
    assert "The export stops in a moment and its file is deleted." in text_of(
        browser.get(f"/jobs/{export.id}/cancel")
    )
    assert browser.post(f"/jobs/{export.id}/cancel").status_code == 303
    export.refresh_from_db()
    assert export.status == "cancelled"
    assert "Cancelled" in text_of(browser.get(f"/jobs/{export.id}/"))
    assert "This job has already ended." in text_of(browser.get(f"/jobs/{export.id}/cancel"))
    browser.post(f"/jobs/{export.id}/cancel")
    assert "This job has already ended." in text_of(browser.get(f"/jobs/{export.id}/"))


def test_lists_show_jobs_and_exports_or_say_that_there_are_none(browser, recorded, export):
    finish(export)
    jobs, listed = text_of(browser.get("/jobs/")), text_of(browser.get("/audit/exports/"))
    assert "Audit log export, CSV" in jobs
    assert "3 of 3 rows (100%)" in jobs
    assert export.sha256 in listed
    assert "CSV Action: test.many.done" in listed
    AuditExport.objects.all().delete()
    assert "No jobs yet." in text_of(browser.get("/jobs/"))
    assert "No exports yet." in text_of(browser.get("/audit/exports/"))


def test_a_file_that_is_gone_is_not_offered(browser, recorded, export):
    finish(export)
    response = show(browser, export, expires_at=database_now() - timedelta(hours=1))
    assert "The file has expired." in text_of(response)
    assert "Expired" in text_of(browser.get("/audit/exports/"))
    assert browser.post(f"/audit/exports/{export.id}/file").status_code == 404


def test_every_role_has_an_entry_for_jobs_but_a_developer_sees_no_export_there(developer, auditor, export):
    path = f"/jobs/{export.id}/"
    for persona, sees_it in ((auditor, True), (developer, False)):
        page = signed_in(persona).get("/jobs/").content.decode()
        assert ">Jobs<" in page
        assert (path in page) is sees_it


def test_a_job_without_a_total_has_no_estimate(export):
    progress = progress_of(export, database_now())
    assert (progress.percent, progress.left, progress.milestone, progress.failure) == (None, None, 0, "")
