"""The search of the bar: by keyboard, while typing, on a phone, and without scripts."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import NARROW, WIDE, follow
from tests.e2e.inspection import TOO_WIDE, of_message

FIELD = "Search everything"


@pytest.fixture(scope="module")
def keys(api):
    names = ["found-first", "found-second"]
    for name in names:
        api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256", "tags": ["found-tag"]})
    return names


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_key_is_found_by_keyboard_from_any_page(admin, keys, size):
    page = admin.open("/audit/")
    page.set_viewport_size(size)
    page.keyboard.press("/")
    expect(page.get_by_label(FIELD)).to_be_focused()
    page.keyboard.type("found-", delay=15)
    hits = page.locator("#search-hits")
    expect(hits.get_by_role("link", name="found-second")).to_be_visible()
    expect(page.locator("#search-count")).to_have_text("3 results for “found-”")
    assert page.get_by_label(FIELD).input_value() == "found-"
    assert page.evaluate(TOO_WIDE) == []
    assert of_message(page, hits) == []
    page.keyboard.press("Escape")
    expect(hits).to_be_hidden()
    expect(page.locator("#page")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("found-f")
    expect(hits.get_by_role("link", name="found-second")).to_have_count(0)
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert urlsplit(page.url).path == "/keys/found-first/"


def test_hits_are_clicked_and_none_replaces_a_newer_one(admin, keys):
    page = admin.open("/home/")
    page.get_by_label(FIELD).press_sequentially("no such", delay=30)
    page.get_by_label(FIELD).fill("found-tag")
    hits = page.locator("#search-hits")
    follow(page, hits.get_by_role("link", name="found-tag", exact=True))
    assert page.url.endswith("/keys/?tag=found-tag")
    assert page.locator("#key-rows th a.mono").all_inner_texts() == ["found-first", "found-second"]


def test_the_search_works_without_scripts(without_script, keys):
    page = without_script.open("/usage/")
    page.get_by_label(FIELD).fill("found-")
    with page.expect_navigation():
        page.get_by_label(FIELD).press("Enter")
    assert page.url.endswith("/search/?q=found-")
    assert page.get_by_label(FIELD).input_value() == "found-"
    page.get_by_label(FIELD).fill("found-first")
    with page.expect_navigation():
        page.get_by_label(FIELD).press("Enter")
    assert page.url.endswith("/keys/found-first/")
