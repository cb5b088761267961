"""Keys in the browser: checks 1 to 5 and 7 of the design, by their numbers."""

import pytest

from tests.product import b64


@pytest.fixture
def key(api, request):
    name = f"key-{abs(hash(request.node.name)) % 10**8}"
    return api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256"})


def test_a_taken_name_keeps_the_dialog_and_what_was_typed(admin, key):
    """2: 422, the dialog stays, the summary has the focus, and leads to the field."""
    page = admin.open("/keys/")
    admin.mark()
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(key["name"])
    dialog.get_by_role("button", name="Create key").click()
    alert = dialog.get_by_role("alert")
    alert.wait_for()
    assert "already" in alert.inner_text()
    assert dialog.get_by_label("Name").input_value() == key["name"]
    assert not admin.was_reloaded()


def test_a_rotation_shows_without_a_reload_and_leaves_the_focus(admin, key):
    """5: the next version is primary, and the focus stays where it was."""
    page = admin.open(f"/keys/{key['name']}/")
    admin.mark()
    page.get_by_role("link", name="Rotate now").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why?").fill("quarterly")
    dialog.get_by_role("button", name="Rotate now").click()
    page.get_by_text("version 2").first.wait_for()
    page.get_by_text(f"{key['name']} was rotated.").wait_for()
    assert not page.get_by_role("dialog").is_visible()
    assert (admin.was_reloaded(), admin.focused()) == (False, "act-rotate")


def test_what_is_typed_into_the_search_is_never_overwritten(admin, key):
    """3: every character stays, the results match, the address says so."""
    page = admin.open("/keys/")
    box = page.get_by_label("Search")
    box.press_sequentially(key["name"], delay=15)
    page.wait_for_url(f"**search={key['name']}**")
    assert box.input_value() == key["name"]
    assert page.get_by_role("row").count() == 2
    assert admin.focused() == "id_search"


def test_disabling_a_key_in_use_shows_who_used_it(admin, api, key):
    """7: caller and count; a reason is required; then the API refuses with the state."""
    message = {"key_id": key["id"], "algorithm": "aes-256-gcm", "data": b64(b"hello")}
    api("POST", "/api/v1/encrypt", message)
    page = admin.page
    for _ in range(50):  # usage follows within about a second
        admin.open(f"/keys/{key['name']}/disable")
        if "1 operation: admin 1" in page.locator("main").inner_text():
            break
        page.wait_for_timeout(200)
    assert "1 operation: admin 1" in page.locator("main").inner_text()
    page.get_by_role("button", name="Disable").click()
    assert "This field is required" in page.get_by_role("alert").inner_text()
    page.get_by_label("Why?").fill("a rehearsal")
    page.get_by_role("button", name="Disable").click()
    page.get_by_text("Disabled").first.wait_for()
