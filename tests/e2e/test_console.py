"""Home, usage, system and reference in the browser: checks 11, 21, 26 and 32 of the design, by their numbers."""

import os
import re
import subprocess

import pytest

from tests.e2e.browser import NARROW, WIDE
from tests.product import b64

PAGES = (
    "/home/",
    "/keys/",
    "/audit/",
    "/usage/",
    "/usage/?range=30d",
    "/system/",
    "/reference/",
    "/reference/keys/",
    "/reference/call/keys_access_read",
    "/no/such/page/",
)


@pytest.fixture
def key(api, request):
    name = f"console-{abs(hash(request.node.name)) % 10**8}"
    return api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"})


def message(key):
    return {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": b64(b"hello")}


def poll(page, part):
    """Run the page's poll immediately."""
    page.evaluate(
        f"htmx.ajax('GET', location.pathname, {{source: '#{part}', target: '#{part}', swap: 'outerHTML'}})"
    )


def test_a_refused_use_is_followed_from_home_to_its_entry(admin, served, api, key):
    """11: the use is refused, counted, and shown at the next poll. The alert and the figure lead to the entry."""
    api("POST", f"/api/v1/keys/{key['id']}/disable", {"reason": "a rehearsal"})
    page = admin.open("/home/")
    admin.mark()
    notice = page.locator(
        "#home-now li", has_text=f"{key['name']} is disabled, and requests with it were denied"
    )
    assert notice.count() == 0
    assert served.send("POST", "/api/v1/encrypt", message(key), token=served.token()).status == 409
    for _ in range(50):  # the sums follow within about a second
        poll(page, "home-now")
        page.wait_for_timeout(200)
        if notice.count():
            break
    assert not admin.was_reloaded()
    for link in (notice.get_by_role("link"), page.get_by_role("link", name=re.compile("operations? denied"))):
        admin.open("/home/")
        link.click()
        page.wait_for_url("**/audit/?action=operation&outcome=denied&**")
        entry = page.locator("#log-rows a[id^=entry-]").first
        entry.click()
        page.get_by_role("dialog").get_by_text("key not active").wait_for()
        assert page.get_by_role("dialog").get_by_text(key["id"]).first.is_visible()
    api("POST", f"/api/v1/keys/{key['id']}/enable", {"reason": "a rehearsal"})


def test_a_poll_shows_that_it_is_one_and_leaves_a_notice_where_it_is(admin):
    page = admin.open("/home/")
    page.evaluate("document.querySelector('#notices').textContent = 'The server failed.'")
    with page.expect_request("**/home/") as asked:
        poll(page, "home-now")
    assert asked.value.headers["cc-poll"] == "true"
    page.wait_for_timeout(300)
    assert page.locator("#notices").inner_text() == "The server failed."


def test_the_chart_of_usage_has_a_name_and_the_numbers_of_its_table(admin, api, key):
    for _ in range(3):
        api("POST", "/api/v1/encrypt", message(key))
    page = admin.page
    for _ in range(50):
        admin.open("/usage/")
        if page.get_by_role("link", name=key["name"]).count():
            break
        page.wait_for_timeout(200)
    assert "Operations of the last 24 hours" in page.get_by_role("img").get_attribute("aria-label")
    page.get_by_text("Show numbers").click()
    assert page.get_by_role("table", name="Operations of the last 24 hours").get_by_role("row").count() == 25
    page.get_by_role("link", name="30 days").click()
    page.wait_for_url("**/usage/?range=30d")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.path().read_text().startswith("day,allowed,denied,failed")


def test_a_key_has_the_chart_of_its_own_use(admin, api, key):
    api("POST", "/api/v1/encrypt", message(key))
    page = admin.page
    for _ in range(50):
        admin.open(f"/keys/{key['name']}/")
        if page.get_by_role("img").count():
            break
        page.wait_for_timeout(200)
    assert "1 allowed, 0 denied, 0 failed" in page.get_by_role("img").get_attribute("aria-label")


def test_the_system_measures_anew_without_a_reload(admin):
    page = admin.open("/system/")
    admin.mark()
    assert page.get_by_role("row", name="Migrations").get_by_text("OK").is_visible()
    with page.expect_response("**/system/"):
        poll(page, "system-now")
    page.get_by_role("row", name="Sequencer OK").wait_for()
    assert not admin.was_reloaded()


def test_a_call_of_the_reference_runs_as_it_was_copied(admin, served, key):
    """33, for the reference: only the variables that the call names are set."""
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = admin.open("/reference/crypto-operations/")
    page.get_by_role("button", name="Copy curl for POST /api/v1/encrypt", exact=True).click()
    page.get_by_text("Copied").wait_for()
    call = page.evaluate("navigator.clipboard.readText()")
    variables = {"CIPHERCANARY_TOKEN": served.token(), "KEY_ID": key["id"]}
    ran = subprocess.run(
        ["bash", "-c", call], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    assert '"ciphertext"' in ran.stdout, ran.stdout


def test_the_search_of_the_reference_leads_to_an_endpoint(admin):
    page = admin.open("/reference/")
    page.get_by_role("searchbox", name="Search the endpoints").fill("encrypt post mode")
    page.get_by_text("Endpoints matching").wait_for()
    assert not page.get_by_role("link", name="GET /api/v1/keys", exact=True).is_visible()
    page.get_by_role("navigation", name="Endpoints").get_by_role(
        "link", name="POST /api/v1/encrypt", exact=True
    ).click()
    page.wait_for_url("**/reference/crypto-operations/#encrypt")
    assert page.locator("#encrypt").bounding_box()["y"] >= 0


@pytest.mark.parametrize(
    "size", [WIDE, NARROW, *({"width": width, "height": 700} for width in (320, 800, 1024))]
)
def test_nothing_is_wider_than_the_window(admin, size):
    """32; the fixture checks the browser's messages after each test."""
    admin.page.set_viewport_size(size)
    for path in PAGES:
        page = admin.open(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_the_pages_show_the_same_without_scripts(without_script):
    """21."""
    page = without_script.open("/home/")
    assert page.get_by_role("heading", name="Needs attention").is_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Usage").click()
    page.get_by_text("Show numbers").click()
    assert page.get_by_role("heading", level=1, name="Usage").is_visible()
    without_script.open("/reference/crypto-operations/#encrypt")
    assert page.get_by_role("heading", name="POST /api/v1/encrypt", exact=True).is_visible()
