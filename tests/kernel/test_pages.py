"""Features of every page: parts for htmx, refusals, times, and the target after a sign-in."""

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.test import Client, RequestFactory

from accounts.session_engine import SessionStore
from audit.log.refusals import flush
from kernel.clock import process_now
from kernel.pages.shell import DESTINATIONS, KEPT, shell
from kernel.pages.views import next_url
from tests.browsing import signed_in, text
from tests.log_entries import log_rows

HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser(admin):
    return signed_in(admin, raise_request_exception=False)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("/keys/?search=a", "/keys/?search=a"),
        ("https://elsewhere.example/", "/home/"),
        ("//elsewhere.example/", "/home/"),
        ("/\\elsewhere.example/", "/home/"),
        ("javascript:alert(1)", "/home/"),
        ("keys/", "/home/"),
        ("", "/home/"),
    ],
)
def test_a_sign_in_leads_to_paths_of_this_site_only(asked, expected):
    request = RequestFactory().get("/login/", {"next": asked})
    assert next_url(request, "/home/") == expected


def test_htmx_is_given_the_part_that_its_target_needs(browser):
    whole = text(browser.get("/keys/new"))
    assert whole.lstrip().startswith("<!doctype html>")
    dialog = text(browser.get("/keys/new", headers=HTMX | {"HX-Target": "dialog-body"}))
    assert 'id="dialog-title"' in dialog
    assert "<html" not in dialog
    part = text(browser.get("/keys/", headers=HTMX | {"HX-Target": "page"}))
    assert '<main id="page"' in part
    assert "<html" not in part
    rows = browser.get("/keys/", headers=HTMX | {"HX-Target": "key-results"})
    assert text(rows).strip().startswith('<div id="key-results"')
    assert {"HX-Request", "HX-Target", "Cookie"} <= set(rows["Vary"].split(", "))


def test_a_target_that_the_page_does_not_name_gets_the_whole_page(browser):
    whole = text(browser.get("/keys/", headers=HTMX | {"HX-Target": "somewhere"}))
    assert whole.lstrip().startswith("<!doctype html>")


def test_an_operation_through_htmx_shows_where_to_go_on_without_a_reload(browser):
    sent = {"name": "payments-db", "algorithm": "aes-256"}
    response = browser.post("/keys/new", sent, headers=HTMX | {"HX-Target": "page"})
    assert "/keys/payments-db/" in response["HX-Location"]


def test_htmx_without_a_session_gets_an_event_to_sign_in_and_no_page(db):
    response = Client().get("/keys/", headers=HTMX)
    assert (response.status_code, response["HX-Trigger"], response.content) == (
        401,
        '{"cc:sign-in": {}}',
        b"",
    )


def test_a_method_without_a_rule_is_refused(browser):
    response = browser.post("/home/")
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert "This URL does not support this HTTP method." in text(response)


def test_a_refusal_is_a_page_for_people_and_a_sentence_for_htmx(browser):
    page = browser.get("/keys/no-such-key/")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "<title>Not found · CipherCanary</title>" in text(page)
    sentence = browser.get("/keys/no-such-key/", headers=HTMX)
    assert (sentence.status_code, sentence["Content-Type"]) == (404, "text/plain")


def test_a_refusal_of_a_form_is_recorded(browser, admin):
    sent = {"name": "payments-db", "algorithm": "aes-256"}
    browser.post("/keys/new", sent)
    assert browser.post("/keys/new", sent).status_code == 422
    flush()
    entry = log_rows().latest("id")
    assert (entry.action, entry.outcome, entry.code) == ("keys.key.created", "denied", "name_taken")
    assert (entry.actor_name, entry.source) == (admin.user.username, "console")


def test_a_form_that_is_not_filled_in_is_not_on_record(browser):
    before = log_rows().count()
    assert browser.post("/keys/new", {}).status_code == 422
    flush()
    assert log_rows().count() == before


def test_pages_count_against_the_budget_of_the_user(browser, settings):
    settings.CC_THROTTLE_PRINCIPAL = "2/day"
    responses = [browser.get("/account/").status_code for _ in range(4)]
    assert responses[-1] == 429


def test_the_theme_is_one_of_three_regardless_of_the_cookie(browser):
    for sent, shown in (("dark", "dark"), ('"><script>', "system"), ("", "system")):
        browser.cookies["theme"] = sent
        assert f'data-theme="{shown}"' in text(browser.get("/account/"))


def test_the_navigation_holds_what_the_role_may_open(rf, auditor):
    request = rf.get("/")
    request.principal, request.session = auditor.principal, SessionStore()
    shown = {entry.name for entry in shell(request)["navigation"]}
    assert {"home", "keys", "audit"} <= shown <= {entry.name for entry in DESTINATIONS}


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=-4, seconds=-5), "4 minutes ago"),
        (timedelta(hours=-1, seconds=-5), "1 hour ago"),
        (timedelta(days=23, hours=1), "in 23 days"),
        (timedelta(days=6, hours=23), "in 7 days"),
        (timedelta(seconds=30), "in a moment"),
    ],
)
def test_a_distance_in_time_is_shown_in_one_unit(distance, words):
    rendered = Template("{{ at|relative }}").render(Context({"at": process_now() + distance}))
    assert rendered == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (6042, "5.9 KiB"),
        (3 * 1024**3 // 2, "1.5 GiB"),
        (5 * 1024**5, "5120.0 TiB"),
    ],
)
def test_a_size_is_shown_in_binary_units(size, words):
    rendered = Template("{{ size|byte_size }}").render(Context({"size": size}))
    assert rendered == words.replace(" ", "\u00a0")


def test_numbers_are_grouped_and_nothing_is_a_dash():
    rendered = Template("{{ many|grouped }} {{ none|grouped }}").render(
        Context({"many": 1204881, "none": None})
    )
    assert rendered == "1\u202f204\u202f881 \u2013"


def test_an_invalid_address_of_a_stranger_gives_the_log_no_object(db):
    response = Client().get("/keys/zzz/try/", headers=HTMX)
    assert response.status_code == 401
    flush()
    entry = log_rows().latest("id")
    assert (entry.outcome, entry.object_type, entry.object_id) == ("denied", "", "")
    assert not entry.action.startswith("crypto.")


def test_strangers_are_counted_by_their_address(db, settings):
    settings.CC_THROTTLE_ANONYMOUS = "3/day"
    responses = [Client().get("/keys/").status_code for _ in range(5)]
    assert responses == [302, 302, 302, 429, 429]


def test_an_operation_that_needs_a_recent_sign_in_is_on_record_as_refused(browser, admin):
    browser.post("/keys/new", {"name": "payments-db", "algorithm": "aes-256"})
    session = browser.session
    session["confirmed_at"] = session["began_at"] = "2026-01-01T00:00:00+00:00"
    session["began_at"] = process_now().isoformat()
    session.save()
    sent = {"reason": "because", "name": "payments-db"}
    response = browser.post("/keys/payments-db/mark-compromised", sent)
    assert response["Location"].startswith("/reauth/")
    flush()
    entry = log_rows().latest("id")
    assert (entry.action, entry.outcome, entry.code) == ("keys.key.revoked", "denied", "recent_auth_required")


def test_messages_that_no_one_reads_do_not_fill_the_session(browser):
    for _ in range(KEPT + 5):
        assert browser.post("/account/sessions/", {"session": "others"}).status_code == 303
    content = text(browser.get("/account/sessions/"))
    assert content.count("data-toast") == KEPT
