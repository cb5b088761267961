"""Keys in the browser: checks 1 to 5, 7, 21 and 31 of the design, by their numbers."""

import re
from itertools import count

import pytest

from tests.e2e.browser import follow
from tests.e2e.inspection import of_message
from tests.product import b64

numbers = count(1)


@pytest.fixture
def new_name():
    return lambda: f"e2e-key-{next(numbers)}"


@pytest.fixture
def key(api, new_name):
    return api("POST", "/api/v1/keys", {"name": new_name(), "algorithm": "aes-256"})


def listed(page):
    return page.locator("#key-rows th a").all_inner_texts()


def in_use(who, api, key, path):
    """Encrypt once with the key, and reload the page until it shows the use, which takes about a second."""
    api("POST", "/api/v1/encrypt", {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": b64(b"hello")})
    for _ in range(50):
        page = who.open(path)
        if "1 operation: admin 1" in page.locator("main").inner_text():
            return page
        page.wait_for_timeout(200)
    pytest.fail("the use of the key is not shown")


def test_a_key_made_in_the_dialog_is_the_first_row(admin, new_name):
    """1: first row, toast announced, dialog closed, focus back on its opener, no reload."""
    name = new_name()
    page = admin.open("/keys/")
    admin.mark()
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Name").press("Tab")
    dialog.get_by_text(f"No key that you can see is named {name}.").wait_for()
    dialog.locator("#key-summary", has_text=f"aes-256 key {name}").wait_for()
    dialog.get_by_role("button", name="Create key").click()
    page.locator("#toasts[role=status]", has_text=f"Key {name} created.").wait_for()
    assert listed(page)[0] == name
    assert not dialog.is_visible()
    assert of_message(page, page.locator(".toast", has=page.get_by_role("link", name=name))) == []
    assert (admin.was_reloaded(), admin.focused()) == (False, "create-key")
    assert page.url.endswith("/keys/")


def test_a_taken_name_keeps_the_dialog_and_what_was_typed(admin, key):
    """2: 422, the dialog stays open, and the error summary has the focus and links to the field."""
    page = admin.open("/keys/")
    admin.mark()
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(key["name"])
    dialog.get_by_role("button", name="Create key").click()
    alert = dialog.locator(".error-summary")
    alert.wait_for()
    page.wait_for_timeout(100)  # htmx settles the swapped content, and may move the focus again
    assert "already" in alert.inner_text()
    assert page.evaluate("document.activeElement.matches('.error-summary')")
    assert dialog.get_by_label("Name").input_value() == key["name"]
    assert dialog.get_by_role("link", name=key["name"], exact=True).get_attribute("href")
    assert of_message(page, alert) == []
    alert.get_by_role("link").click()
    assert (admin.was_reloaded(), admin.focused()) == (False, "id_name")


def test_the_search_field_keeps_the_typed_text(admin, key):
    """3, 34: no character is lost, the results match and are counted aloud, and the address contains the search."""
    page = admin.open("/keys/")
    page.evaluate("window.news = document.getElementById('news')")
    box = page.get_by_label("Search keys")
    box.press_sequentially(key["name"], delay=15)
    page.wait_for_url(f"**/keys/?search={key['name']}")
    assert box.input_value() == key["name"]
    assert all(key["name"] in name for name in listed(page))
    page.wait_for_function("news.isConnected && news.textContent === '1 matching key'")
    assert admin.focused() == "id_search"


def test_the_address_of_a_filtered_list_is_the_list(admin, key):
    """4: the same results in another tab, and after Back from a key; a filter is removed by its chip."""
    page = admin.open("/keys/")
    page.get_by_label("Search keys").fill(key["name"])
    page.wait_for_url("**search=**")
    page.get_by_role("combobox", name="Algorithm").select_option("aes-256")
    page.wait_for_url("**algorithm=aes-256**")
    found, address = listed(page), page.url
    other = admin.context.new_page()
    other.goto(address)
    assert listed(other) == found
    assert other.get_by_label("Search keys").input_value() == key["name"]
    page.get_by_role("link", name=key["name"], exact=True).click()
    page.wait_for_url(f"**/keys/{key['name']}/")
    page.go_back()
    page.get_by_label("Search keys").wait_for()
    assert (page.url, listed(page)) == (address, found)
    page.get_by_role("link", name="Remove filter Search").click()
    page.wait_for_url("**/keys/?algorithm=aes-256")
    assert page.get_by_label("Search keys").input_value() == ""


def test_a_rotation_shows_without_a_reload_and_leaves_the_focus(admin, key):
    """5: the next version is primary, the former decrypts only, and the focus does not move."""
    page = admin.open(f"/keys/{key['name']}/")
    admin.mark()
    page.get_by_role("link", name="Rotate now").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("quarterly")
    dialog.get_by_role("button", name="Rotate now").click()
    page.get_by_text("version 2").first.wait_for()
    page.get_by_text(f"{key['name']} rotated.").wait_for()
    assert not page.get_by_role("dialog").is_visible()
    assert (admin.was_reloaded(), admin.focused()) == (False, "operation-rotate")
    follow(page, page.get_by_role("link", name="Versions"))
    rows = page.locator("tbody tr").all_inner_texts()
    assert all(word in rows[0] for word in ("Version 2", "Primary", "quarterly"))
    assert all(word in rows[1] for word in ("Version 1", "Earlier", "key created"))


def test_the_second_of_two_tabs_is_warned_of_the_rotation_in_the_first(admin, key):
    second = admin.context.new_page()
    for page in (admin.page, second):
        page.goto(f"{admin.base}/keys/{key['name']}/rotate")
        page.get_by_label("Reason").fill("at once")
    admin.page.get_by_role("button", name="Rotate now").click()
    admin.page.wait_for_url(f"**/keys/{key['name']}/")
    second.get_by_role("button", name="Rotate now").click()
    assert "Its primary version is now 2" in second.locator(".error-summary").inner_text()


def test_two_tabs_edit_one_key(admin, without_script, key):
    """Other fields merge. For the same field, the second tab compares both values, in a dialog and without scripts."""
    settings, dialog = admin.open(f"/keys/{key['name']}/settings/"), admin.context.new_page()
    plain = without_script.open(f"/keys/{key['name']}/settings/")
    dialog.goto(f"{admin.base}/keys/{key['name']}/")
    dialog.get_by_role("link", name="Edit description and tags").click()
    settings.get_by_label("Description").fill("first")
    settings.get_by_role("button", name="Save").click()
    settings.get_by_text(f"{key['name']} saved.").wait_for()
    plain.get_by_label("Rotation period").fill("30")
    plain.get_by_role("button", name="Save").click()
    plain.get_by_text(f"{key['name']} saved.").wait_for()
    assert plain.get_by_label("Description").input_value() == "first"
    form = dialog.get_by_role("dialog")
    form.get_by_label("Description").fill("second")
    form.get_by_role("button", name="Save").click()
    form.get_by_text("Some fields have changed since you opened this page. Nothing was saved.").wait_for()
    values = form.get_by_role("region", name="Description: both values").inner_text()
    assert all(word in values for word in ("first", "second"))
    assert form.get_by_role("textbox", name="Description").input_value() == "second"
    form.get_by_role("button", name="Save").click()
    dialog.get_by_text(f"{key['name']} saved.").wait_for()
    overview = dialog.locator("main").inner_text()
    assert "second" in overview
    assert "every 30 days" in overview


def test_the_header_of_a_long_page_stays_and_never_covers_the_focus(admin, api, new_name):
    """The name and the state stay in view; a focused control is not behind them (WCAG 2.4.11)."""
    name = new_name().ljust(64, "x")  # with such a name, the header has three lines
    api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"})
    page = admin.open(f"/keys/{name}/")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    head = page.locator(".sticky-head")
    assert head.bounding_box()["y"] == 0
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        focus = page.evaluate(
            "(({top, bottom}) => ({top, bottom}))(document.activeElement.getBoundingClientRect())"
        )
        if page.evaluate("!document.activeElement.closest('.sticky-head')"):
            assert focus["top"] >= head.bounding_box()["y"] + head.bounding_box()["height"]
    page.set_viewport_size({"width": 360, "height": 640})
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    assert head.bounding_box()["y"] < 0


def test_the_list_shows_fifteen_rows_and_its_columns_stay(admin, api, new_name):
    """With tags and times in every row, at 1280 x 900."""
    prefix = "rows-" + new_name()
    for number in range(16):
        body = {"name": f"{prefix}-{number:02}", "algorithm": "aes-256", "tags": ["eu", "prod"]}
        made = api("POST", "/api/v1/keys", body)
        api("POST", "/api/v1/encrypt", {"key_id": made["id"], "algorithm": "aes-256-gcm", "data": b64(b"x")})
    admin.page.set_viewport_size({"width": 1280, "height": 900})
    for _ in range(50):
        page = admin.open(f"/keys/?search={prefix}")
        if (
            not page.locator("#key-rows").get_by_text("Never").count()
        ):  # the usage follows within about a second
            break
        page.wait_for_timeout(200)
    boxes = [row.bounding_box() for row in page.locator("#key-rows tr").all()]
    assert sum(box["y"] + box["height"] <= 900 for box in boxes) >= 15
    widths = "Array.from(document.querySelectorAll('.keys th[scope=col]'), (each) => each.offsetWidth)"
    before = page.evaluate(widths)
    assert page.goto(f"{admin.base}/keys/?search={prefix}-x").ok
    assert page.evaluate(widths) == before


def test_all_rows_are_selected_and_the_actions_stay_in_view(admin, without_script, api, new_name):
    """20: with scripts, and by a link without them, on a phone too."""
    prefix = "bulk-" + new_name()
    for number in range(20):
        api("POST", "/api/v1/keys", {"name": f"{prefix}-{number:02}", "algorithm": "aes-256"})
    for width in (1280, 360):
        admin.page.set_viewport_size({"width": width, "height": 800})
        page = admin.open(f"/keys/?search={prefix}")
        page.get_by_label("Select all").check()
        page.get_by_text("20 selected:").wait_for()
        page.locator("#key-rows tr").last.scroll_into_view_if_needed()
        assert page.locator("#bulk").bounding_box()["y"] == 0
    page.get_by_label(f"Select {prefix}-00").uncheck()
    page.get_by_text("19 selected:").wait_for()
    follow(page, page.get_by_role("button", name="Disable"))
    assert of_message(page, page.get_by_role("heading", name="Disable 19 keys")) == []
    plain = without_script.open(f"/keys/?search={prefix}")
    follow(plain, plain.get_by_role("link", name="Select all"))
    follow(plain, plain.get_by_role("button", name="Rotate"))
    plain.get_by_role("heading", name="Rotate 20 keys?").wait_for()


def test_disabling_a_key_in_use_shows_who_used_it(admin, api, key):
    """7: caller and count; a reason is required; then the API refuses, and the page shows how often."""
    page = in_use(admin, api, key, f"/keys/{key['name']}/disable")
    page.get_by_role("button", name="Disable").click()
    assert "This field is required" in page.locator(".error-summary").inner_text()
    page.get_by_label("Reason").fill("a rehearsal")
    page.get_by_role("button", name="Disable").click()
    page.get_by_text("Only active keys can be rotated.").wait_for()
    assert "until it is enabled again" in page.get_by_role("region", name="State").inner_text()


def test_disabling_a_key_in_use_is_offered_before_a_final_operation(admin, api, key):
    page = in_use(admin, api, key, f"/keys/{key['name']}/mark-compromised")
    page.get_by_label("Reason").fill("found in a paste")
    page.get_by_label("Key name").fill(key["name"])
    page.get_by_role("button", name="Mark as compromised").click()
    assert (
        "Select this to continue, or disable the key instead." in page.locator(".error-summary").inner_text()
    )
    page.get_by_role("link", name="Disable instead").click()
    page.get_by_role("heading", name=f"Disable {key['name']}?").wait_for()


def test_more_keys_are_loaded_in_place(admin, api, new_name):
    prefix = "many-" + new_name()
    for number in range(52):
        api("POST", "/api/v1/keys", {"name": f"{prefix}-{number:02}", "algorithm": "aes-256"})
    page = admin.open(f"/keys/?search={prefix}")
    admin.mark()
    page.get_by_role("link", name="Load 50 more").click()
    page.get_by_role("link", name=f"{prefix}-51").wait_for()
    assert listed(page) == [f"{prefix}-{number:02}" for number in range(52)]
    assert (admin.was_reloaded(), admin.focused()) == (False, f"{prefix}-50")


def test_create_search_rotate_and_turn_the_page_without_javascript(without_script, api, new_name):
    """21, for keys."""
    name = new_name()
    page = without_script.open("/keys/")
    page.get_by_role("link", name="Create key").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("chacha20").check()
    page.get_by_role("button", name="Create key").click()
    page.wait_for_url(f"**/keys/{name}/")
    page.get_by_role("link", name="Rotate now").click()
    page.get_by_label("Reason").fill("by hand")
    page.get_by_role("button", name="Rotate now").click()
    page.wait_for_url(f"**/keys/{name}/")
    assert "Version 2" in page.locator("main").inner_text()
    page.get_by_role("link", name="Keys", exact=True).first.click()
    page.get_by_label("Search keys").fill(name)
    follow(page, page.get_by_role("button", name="Filter"))
    assert listed(page) == [name]
    for number in range(51):
        api("POST", "/api/v1/keys", {"name": f"page-{name}-{number:02}", "algorithm": "aes-256"})
    page = without_script.open(f"/keys/?search=page-{name}")
    follow(page, page.get_by_role("link", name="Load 50 more"))
    assert listed(page) == [f"page-{name}-50"]
    follow(page, page.get_by_role("link", name="Back to the first page"))
    assert len(listed(page)) == 50


def tab_to(page, name):
    """Press Tab until the named control has the focus, and check that the focus is visible."""
    for _ in range(60):
        page.keyboard.press("Tab")
        said = page.evaluate(
            "((e) => e.labels?.[0]?.textContent.trim() || e.textContent.trim())(document.activeElement)"
        )
        if re.match(name, said):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{name} is focused, and does not show it"
            return
    pytest.fail(f"no way to {name} by Tab")


def test_create_and_rotate_by_keyboard_alone(admin, new_name):
    """31: the focus is visible at every stop; Esc and Cancel close the dialog and return the focus."""
    name = new_name()
    page = admin.open("/keys/")
    tab_to(page, "Create key")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    assert admin.focused() == "id_name"
    page.keyboard.press("Escape")
    assert admin.focused() == "create-key"
    page.keyboard.press("Enter")
    dialog.wait_for()
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    dialog.wait_for(state="hidden")
    assert (admin.focused(), page.url) == ("create-key", f"{admin.base}/keys/")
    page.keyboard.press("Enter")
    dialog.wait_for()
    page.keyboard.type(name)
    for key in ("Tab", "Tab", "ArrowDown"):  # past the heading of the first group of algorithms
        page.keyboard.press(key)
    tab_to(page, "Create key")
    page.keyboard.press("Enter")
    page.locator("#toasts", has_text=f"Key {name} created.").wait_for()
    assert admin.focused() == "create-key"
    tab_to(page, name)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/keys/{name}/")
    assert "aes-128" in page.locator("main").inner_text()
    tab_to(page, "Rotate now")
    page.keyboard.press("Enter")
    dialog.wait_for()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    page.get_by_text(f"{name} rotated.").wait_for()
    assert admin.focused() == "operation-rotate"
