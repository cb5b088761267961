"""Exports in the admin: the file has the entries of the list, and the permissions are those of the API."""

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.contrib.admin import site
from django.http import QueryDict
from django.test import Client

from accounts.session_engine import BEGAN_AT
from audit import actions, services
from audit.admin.list_filters import criteria_of_list
from audit.browse.selection import LogCriteria
from audit.log.canonical import format_timestamp
from audit.log.events import Actor, Event, Source
from audit.models import AuditExport, AuditLog
from kernel.clock import database_now, process_now
from kernel.errors import Invalid
from kernel.jobs import Status, running
from tests.audit.sequencing.log import write

LOG, EXPORTS = "/admin/audit/auditlog/", "/admin/audit/auditexport/"
REQUEST = f"{EXPORTS}request/"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(auditor):
    client = Client()
    client.force_login(auditor.user)
    return client


@pytest.fixture
def told(db):
    write(2)
    write(1, Event(action="test.other.done", outcome="denied"))
    write(1, Event(action="test.thing.done", meta={"reason": "a needle & a <b>stack</b>"}))
    write(1, actor=Actor.system("sequencer", Source.SCHEDULER))


def order(browser, export_format="jsonl", query=""):
    answer = browser.post(f"{REQUEST}?{query}", {"format": export_format})
    assert answer.status_code == 302, answer.content
    return AuditExport.objects.order_by("created_at").last()


def work():
    while running.run_next(lambda: False):
        pass


def fetch(browser, export):
    return browser.get(f"{EXPORTS}{export.id}/result/")


class Page(HTMLParser):
    """The links of a page, and the targets of its POST buttons."""

    def __init__(self, response):
        super().__init__()
        self.links, self.posts = [], []
        self.feed(response.content.decode())

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.links += [names["href"]] if tag == "a" and "href" in names else []
        self.posts += [names["formaction"]] if "formaction" in names else []


# --- from the list to the file


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"q": "needle"},
        {"q": "needle <b>stack</b> &"},
        {"outcome__exact": "denied"},
        {"source__exact": "scheduler"},
        {"actor_type__exact": "system", "q": "sequencer", "o": "2", "p": "1"},
        {"timestamp__year": "2020"},
        {"timestamp__year": str(process_now().year)},
        {"timestamp__year": str(process_now().year), "timestamp__month": str(process_now().month)},
    ],
)
def test_the_file_holds_what_the_list_shows(browser, told, query):
    listed = browser.get(LOG, query)
    shown = {entry.id for entry in listed.context["cl"].queryset}
    [link] = [link for link in Page(listed).links if link.startswith(REQUEST)]
    asking = browser.get(link)
    assert asking.status_code == 200
    assert browser.post(link, {"format": "jsonl"}).status_code == 302
    work()

    content = fetch(browser, AuditExport.objects.get()).getvalue()
    held = {json.loads(line)["id"] for line in content.splitlines()}
    last = AuditLog.objects.get(action="audit.export.requested").id
    assert {number for number in held if number < last} == {number for number in shown if number < last}


def test_the_day_of_the_date_hierarchy_is_exported(browser, told):
    today = database_now()
    day = {f"timestamp__{part}": getattr(today, part) for part in ("year", "month", "day")}
    criteria = criteria_of_list(QueryDict(urlencode(day)))
    assert format_timestamp(criteria.since) == f"{today:%Y-%m-%d}T00:00:00.000000Z"
    assert criteria.until - criteria.since == timedelta(days=1)


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("timestamp__year=2026", "2026-01-01", "2027-01-01"),
        ("timestamp__year=2026&timestamp__month=12", "2026-12-01", "2027-01-01"),
        ("timestamp__year=2028&timestamp__month=2", "2028-02-01", "2028-03-01"),
        ("timestamp__year=2028&timestamp__month=2&timestamp__day=29", "2028-02-29", "2028-03-01"),
    ],
)
def test_a_date_is_a_half_open_period(query, since, until):
    criteria = criteria_of_list(QueryDict(query))
    assert (f"{criteria.since:%Y-%m-%d}", f"{criteria.until:%Y-%m-%d}") == (since, until)


@pytest.mark.parametrize(
    "query",
    [
        "action__exact=x",
        "outcome__isnull=True",
        "outcome__exact=perhaps",
        "outcome__exact=ok&outcome__exact=denied",
        "timestamp__month=2",
        "timestamp__year=2026&timestamp__day=2",
        "timestamp__year=2026&timestamp__month=13",
        "timestamp__year=9999",
        "timestamp__year=x",
        "timestamp__gte=2026-01-01",
        f"q={'x' * 201}",
    ],
)
def test_what_an_export_does_not_know_is_refused_and_not_left_out(browser, query):
    with pytest.raises(Invalid):
        criteria_of_list(QueryDict(query))
    assert browser.get(f"{REQUEST}?{query}").status_code == 400
    assert browser.post(f"{REQUEST}?{query}", {"format": "jsonl"}).status_code == 400
    assert not AuditExport.objects.exists()


def test_the_page_says_what_will_be_exported(browser):
    text = browser.get(f"{REQUEST}?q=%3Cb%3Eneedle&outcome__exact=denied").content.decode()
    assert "&lt;b&gt;needle" in text
    assert "denied" in text
    assert 'value="tiles"' not in text  # tiles always contain the whole log
    assert 'value="tiles"' in browser.get(REQUEST).content.decode()


def test_an_order_is_on_record_and_leads_to_its_page(browser, auditor):
    answer = browser.post(f"{REQUEST}?outcome__exact=denied", {"format": "csv"})
    export = AuditExport.objects.get()
    assert answer.headers["Location"] == f"{EXPORTS}{export.id}/change/"
    assert (export.format, export.filters) == ("csv", {"outcome": "denied"})
    entry = AuditLog.objects.get(action=actions.EXPORT_REQUESTED)
    assert (entry.user_id, entry.source) == (auditor.user.id, "admin")
    assert b"Export queued" in browser.get(answer.headers["Location"]).content


@pytest.mark.parametrize("export_format", ["", "xml", "jsonl\x00"])
def test_an_unknown_format_is_refused_on_the_page(browser, export_format):
    answer = browser.post(REQUEST, {"format": export_format})
    assert answer.status_code == 400
    assert b"errornote" in answer.content
    assert not AuditExport.objects.exists()


# --- watching, cancelling, fetching


def test_the_list_shows_progress_and_offers_the_file(browser, told):
    export = order(browser)
    waiting = browser.get(EXPORTS)
    assert Page(waiting).posts == [f"{EXPORTS}{export.id}/cancel/"]
    work()
    export.refresh_from_db()
    listed = browser.get(EXPORTS)
    assert Page(listed).posts == []
    assert f"{EXPORTS}{export.id}/result/" in Page(listed).links
    text = listed.content.decode()
    assert export.sha256 in text
    assert f"{export.rows} of {export.rows} rows" in text
    page = browser.get(f"{EXPORTS}{export.id}/change/")
    assert f"{EXPORTS}{export.id}/result/" in Page(page).links


def test_the_file_is_the_one_of_the_api_and_its_download_on_record(browser, auditor, told):
    export = order(browser, "csv")
    work()
    answer = fetch(browser, export)
    over_the_api = auditor.api.get(f"/api/v1/audit/exports/{export.id}/result")
    assert answer.getvalue() == over_the_api.response.content
    for name in ("Content-Type", "Content-Disposition", "Repr-Digest", "Content-Length"):
        assert answer.headers[name] == over_the_api.headers[name]
    assert "no-store" in answer.headers["Cache-Control"]
    sources = AuditLog.objects.filter(action=actions.EXPORT_DOWNLOADED).order_by("id").values_list("source")
    assert list(sources) == [("admin",), ("api",)]


def test_when_its_time_is_over_no_file_is_offered(browser, told):
    export = order(browser)
    work()
    AuditExport.objects.update(expires_at=database_now())
    listed = browser.get(EXPORTS)
    assert f"{EXPORTS}{export.id}/result/" not in Page(listed).links
    assert fetch(browser, export).status_code == 404


def test_a_button_of_the_list_cancels_by_the_form_it_stands_in(auditor, told):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(auditor.user)
    export = services.request_export(
        principal=auditor.principal, export_format="jsonl", criteria=LogCriteria()
    )
    listed = browser.get(EXPORTS)
    [target] = Page(listed).posts
    assert browser.post(target).status_code == 403  # without the page's CSRF token
    token = re.search(
        r'id="changelist-form".*?name="csrfmiddlewaretoken" value="(\w+)"', listed.content.decode(), re.DOTALL
    )
    answer = browser.post(target, {"csrfmiddlewaretoken": token[1]})
    assert answer.headers["Location"] == f"{EXPORTS}{export.id}/change/"
    export.refresh_from_db()
    assert export.status == Status.CANCELLED
    again = browser.post(target, {"csrfmiddlewaretoken": token[1]}, follow=True)
    assert b"has already ended" in again.content


def test_a_link_does_not_cancel(browser, told):
    export = order(browser)
    assert browser.get(f"{EXPORTS}{export.id}/cancel/").status_code == 405
    export.refresh_from_db()
    assert export.status == Status.PENDING


def test_the_form_asks_for_its_token(auditor):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(auditor.user)
    assert browser.post(REQUEST, {"format": "jsonl"}).status_code == 403
    assert not AuditExport.objects.exists()


@pytest.mark.parametrize("path", [REQUEST, EXPORTS])
def test_the_pages_carry_the_strict_policy_and_are_kept_by_nobody(browser, path):
    answer = browser.get(path)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]


# --- permissions


def test_a_log_in_that_is_too_long_ago_is_said_on_the_page_and_on_record(browser, auditor):
    session = browser.session
    session[BEGAN_AT] = (database_now() - timedelta(minutes=11)).isoformat()
    session.save()
    answer = browser.post(REQUEST, {"format": "jsonl"})
    assert answer.status_code == 403
    assert b"10 minutes" in answer.content
    assert not AuditExport.objects.exists()
    entry = AuditLog.objects.get(action=actions.EXPORT_REQUESTED)
    assert (entry.outcome, entry.code, entry.user_id) == ("denied", "recent_auth_required", auditor.user.id)


def test_an_operator_reads_the_log_and_exports_nothing_of_it(operator, auditor, told):
    browser = Client()
    browser.force_login(operator.user)
    export = services.request_export(
        principal=auditor.principal, export_format="jsonl", criteria=LogCriteria()
    )
    listed = browser.get(LOG)
    assert listed.status_code == 200
    assert not [link for link in Page(listed).links if link.startswith(REQUEST)]
    for path in (EXPORTS, REQUEST, f"{EXPORTS}{export.id}/change/", f"{EXPORTS}{export.id}/result/"):
        assert browser.get(path).status_code == 403, path
    assert browser.post(REQUEST, {"format": "jsonl"}).status_code == 403
    assert browser.post(f"{EXPORTS}{export.id}/cancel/").status_code == 403
    assert AuditExport.objects.get().status == Status.PENDING


def test_without_a_session_the_pages_lead_to_the_log_in(client, told):
    for path in (REQUEST, EXPORTS, f"{EXPORTS}{uuid4()}/result/", f"{EXPORTS}{uuid4()}/cancel/"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/admin/login/")


def test_an_export_that_does_not_exist_is_not_found(browser):
    assert browser.get(f"{EXPORTS}{uuid4()}/result/").status_code == 404
    assert browser.post(f"{EXPORTS}{uuid4()}/cancel/").status_code == 404
    assert browser.get(f"{EXPORTS}{uuid4()}/change/").status_code in {302, 404}  # Django's own behaviour


def test_no_export_is_added_changed_or_deleted_here(browser, told):
    export = order(browser)
    for path in ("add/", f"{export.id}/change/", f"{export.id}/delete/"):
        assert browser.post(EXPORTS + path, {"status": "succeeded", "post": "yes"}).status_code == 403
    export.refresh_from_db()
    assert export.status == Status.PENDING
    assert site.get_model_admin(AuditExport).get_actions(browser.get(EXPORTS).wsgi_request) == {}
