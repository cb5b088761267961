"""The log and its jobs in the browser: checks 12, 13, 14 and 24 of the design, and their part of 21."""

import csv
import hashlib
import os
import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import follow

MARKUP = '<img src=x onerror="document.title=\'owned\'"><b hx-get="/logout/" hx-trigger="load">'
ROWS = "#log-rows a[id^=entry-]"


@pytest.fixture(scope="module")
def many(api):
    """Create 160 entries of one action; return the day of the first."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    for _ in range(160):
        api("POST", "/api/v1/random", {"bytes": 16})
    return day


@pytest.fixture
def no_worker(served):
    """Pause the worker, so that a job stays in the state that the test sets."""
    workers = served.processes_of("run_worker")
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    yield lambda: [os.kill(pid, signal.SIGCONT) for pid in workers]
    for pid in workers:
        os.kill(pid, signal.SIGCONT)


def shown(page):
    return [
        int(row.removeprefix("entry-"))
        for row in page.eval_on_selector_all(ROWS, "all => all.map(e => e.id)")
    ]


def press_until_focused(page, who, wanted, key="Tab", most=120):
    for _ in range(most):
        if who.focused() == wanted:
            return
        page.keyboard.press(key)
    pytest.fail(f"{wanted} is not reached by the keyboard")


def change(served, job, columns):
    """Change the row of the job, as its worker would."""
    served.query(f"UPDATE encryption_operations SET {columns} WHERE id = '{job}'")  # noqa: S608 - constant columns


def request_export(who, query):
    page = who.open(f"/audit/exports/new{query}")
    page.get_by_role("button", name="Export", exact=True).click()
    page.wait_for_url("**/jobs/*/")
    return page


def test_the_log_is_filtered_by_the_keyboard_alone(admin, many, base):
    """12: actor, action and day; the address can be shared, chips can be removed, and 150 rows come in order."""
    page = admin.open("/audit/")
    admin.mark()
    page.keyboard.press("f")
    assert admin.focused() == "id_search"
    page.keyboard.type(f"actor:admin action:crypto.random.generated after:{many}")
    page.keyboard.press("Enter")
    page.wait_for_url("**action=crypto.random.generated**")
    assert f"from={many}" in page.url
    expect(page.get_by_label("Search", exact=True)).to_have_value(
        ""
    )  # the chips and fields have the qualifiers now
    assert admin.focused() == "id_search"
    assert len(shown(page)) == 50
    for number in (100, 150):
        press_until_focused(page, admin, "load-more")
        page.keyboard.press("Enter")
        expect(page.locator(ROWS)).to_have_count(number)
        assert admin.focused() == "load-more"
    rows = shown(page)
    assert rows == sorted(set(rows), reverse=True)
    assert not admin.was_reloaded()
    again = admin.context.new_page()
    again.goto(page.url)
    assert shown(again) == rows[:50]
    again.get_by_role("link", name="Action: Generate random bytes").click()
    again.wait_for_url(lambda url: "action=" not in url)
    assert again.get_by_label("Active filters").get_by_role("link", name="Actor: admin").is_visible()


def test_an_auditor_finds_the_user_of_a_key_by_its_name(admin, api):
    """From the audit page to the entry, by the keyboard alone: type, choose from the suggestions, open."""
    name = "ledger-of-yesterday"
    key = api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"})
    sealed = api(
        "POST", "/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": "aGVsbG8="}
    )
    api("POST", "/api/v1/decrypt", {"ciphertext": sealed["ciphertext"]})
    page = admin.open("/audit/")
    admin.mark()
    page.keyboard.press("f")
    page.keyboard.type(f"{name} decrypted after:{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}")
    page.keyboard.press("Enter")
    row = page.locator("#log-rows tr", has_text=name)
    expect(row).to_have_count(1)
    assert all(text in row.inner_text() for text in ("admin", "Decrypt — allowed"))
    press_until_focused(page, admin, row.locator("a").first.get_attribute("id"))
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("crypto.message.decrypted").wait_for()
    page.keyboard.press("Escape")
    press_until_focused(page, admin, "show-more-filters", key="Shift+Tab")
    page.keyboard.press("Enter")
    page.locator("#id_object").wait_for()
    # The response also sets the focus, a moment after its fields. Text typed before goes to two fields.
    page.wait_for_function(
        "!document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling, .htmx-added')"
    )
    press_until_focused(page, admin, "id_object")
    page.keyboard.type("ledger-of")
    expect(page.locator("#known-keys option")).to_have_count(1)
    assert page.locator("#known-keys option").get_attribute("value") == name
    assert not admin.was_reloaded()


def test_a_bad_date_is_reported_and_lists_nothing(admin, many):
    page = admin.open("/audit/?action=crypto.random.generated")
    before = shown(page)
    page.get_by_label("Search", exact=True).fill("after:yesterday")
    page.get_by_role("button", name="Filter").click()
    page.locator("#log-faults", has_text="Enter a UTC time").wait_for()
    assert shown(page) == []
    assert page.get_by_label("Search", exact=True).input_value() == "after:yesterday"
    page.get_by_label("Search", exact=True).fill("")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#log-faults")).to_be_hidden()
    assert shown(page) == before


def test_typed_and_chosen_filters_agree(admin, many):
    page = admin.open(f"/audit/?action=crypto.random.generated&from={many}")
    admin.mark()
    page.get_by_label("Search", exact=True).fill("result:ok")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Result", exact=True)).to_have_value("ok")
    expect(page.get_by_label("Search", exact=True)).to_have_value("")
    page.get_by_label("Period").select_option("1h")
    page.wait_for_url("**/audit/?action=crypto.random.generated&outcome=ok&period=1h")
    page.get_by_label("Result", exact=True).select_option("denied")
    page.wait_for_url("**/audit/?action=crypto.random.generated&outcome=denied&period=1h")
    expect(page.locator("#log-faults")).to_be_hidden()
    assert not admin.was_reloaded()


def test_an_entry_opens_over_the_list_and_as_a_page(admin, api):
    name = f"diff-{abs(hash(MARKUP)) % 10**6}"
    key = api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256", "description": MARKUP})
    api("PATCH", f"/api/v1/keys/{key['id']}", {"description": "calm"})
    page = admin.open(f"/audit/?action=keys.key.updated&object={key['id']}")
    page.get_by_role("link", name="Update key", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("calm").wait_for()
    assert MARKUP in dialog.locator("del").all_inner_texts()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert admin.focused().startswith("entry-")
    page = admin.open(page.locator(ROWS).first.get_attribute("href"))
    assert MARKUP in page.locator("del").all_inner_texts()
    assert "owned" not in page.title()
    assert "/login" not in page.url


def test_the_log_is_followed(admin, api, many):
    """New events are inserted before the others and announced; without a change there is no announcement."""
    page = admin.open("/audit/?action=crypto.random.generated")
    page.get_by_role("link", name="Live updates", exact=True).click()
    page.wait_for_url("**live=1**")
    page.locator("#log-live").wait_for()
    assert admin.focused() == "live-toggle"
    before = shown(page)
    for _ in range(4):
        api("POST", "/api/v1/random", {"bytes": 16})
    page.locator(ROWS).nth(len(before) + 3).wait_for(timeout=20_000)
    rows = shown(page)
    assert rows == sorted(set(rows), reverse=True)
    assert re.fullmatch(r"\d new events?\.", page.locator("#log-status").inner_text())
    page.get_by_role("link", name="Pause live updates").click()
    page.locator("#log-live").wait_for(state="detached")
    assert "live=1" not in page.url


def test_an_export_is_what_was_filtered(admin, api, many, tmp_path):
    """13: as many rows as the filter matches, the displayed SHA-256, and its audit events."""
    query = "?action=crypto.random.generated&outcome=ok"
    count = api("GET", f"/api/v1/audit/logs{query}")["count"]
    page = admin.open(f"/audit/{query}")
    page.get_by_role("link", name="Export these results").click()
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("button", name="Download").wait_for(timeout=20_000)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    file = tmp_path / "export.csv"
    downloading.value.save_as(file)
    content = Path(file).read_bytes()
    assert len(list(csv.DictReader(content.decode().splitlines()))) == count
    assert hashlib.sha256(content).hexdigest() in page.locator("main").inner_text()
    job = page.url.rstrip("/").rpartition("/")[2]
    page = admin.open(f"/audit/?object={job}")
    for title in ("Request export", "Finish export", "Download export"):
        assert page.get_by_role("link", name=title, exact=True).count() == 1


def test_a_job_shows_its_progress_is_cancelled_and_asks_no_more(admin, served, no_worker):
    """14: the bar moves, quarters are announced, Cancel ends it, and polling stops."""
    page = request_export(admin, "?action=crypto.random.generated")
    admin.mark()
    job = page.url.rstrip("/").rpartition("/")[2]
    begun = "status = 'running', lease_holder = 'a test', started_at = now(), total = 100, attempts = 1"
    change(served, job, f"{begun}, lease_until = now() + interval '1 hour'")
    for done, news in ((10, ""), (30, "25% done."), (60, "50% done."), (80, "75% done.")):
        change(served, job, f"done = {done}")
        page.locator(f"progress[value='{done}']").wait_for()
        assert page.locator("#job-news").inner_text() == news
    page.get_by_role("link", name="Cancel job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    page.locator("#job-progress", has_text="Stopping").wait_for()
    change(served, job, "lease_until = now() - interval '1 second'")
    no_worker()
    page.locator("#job-progress", has_text="Cancelled").wait_for(timeout=20_000)
    assert not admin.was_reloaded()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(10_000)
    assert asked == []


def test_without_scripts_the_log_has_pages_and_a_job_is_refreshed(without_script, many):
    """21: page 2 of the log, live as a link, a job that is requested and refreshed."""
    page = without_script.open("/audit/?action=crypto.random.generated")
    first = shown(page)
    follow(page, page.get_by_role("link", name="Load 50 more"))
    second = shown(page)
    assert (len(second), max(second) < min(first)) == (50, True)
    page.get_by_role("link", name="Back to the latest").click()
    page.get_by_role("link", name="Live updates", exact=True).click()
    follow(page, page.get_by_role("link", name="Refresh"))
    assert shown(page) == first
    page = request_export(without_script, "?action=crypto.random.generated")
    for _ in range(40):
        if page.get_by_role("button", name="Download").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    assert page.get_by_role("button", name="Download").is_visible()


def test_an_export_is_ordered_by_the_keyboard_alone(admin, many):
    """31: from the filtered log to the file."""
    page = admin.open("/audit/?action=crypto.random.generated")
    press_until_focused(page, admin, "Export these results")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Export").first.wait_for()
    press_until_focused(page, admin, "Export")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*/")
    page.get_by_role("button", name="Download").wait_for(timeout=20_000)
    press_until_focused(page, admin, "Download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.startswith("audit")


def test_a_filter_is_saved_over_the_list(admin):
    page = admin.open("/audit/?outcome=denied")
    admin.mark()
    page.get_by_role("link", name="Save this filter").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Save").click()
    dialog.locator(".error-summary").wait_for()
    dialog.get_by_label("Name").fill("refusals")
    dialog.get_by_role("button", name="Save").click()
    page.get_by_text("Filter refusals saved.").wait_for()
    assert not admin.was_reloaded()
    page = admin.open("/audit/saved/")
    page.get_by_role("link", name="refusals").click()
    page.wait_for_url("**outcome=denied**")
