"""Policies and deletion in the browser: checks 8 to 11 and 21 of the design."""

from itertools import count

import pytest

from tests.e2e.browser import follow
from tests.product import b64

numbers = count(1)


@pytest.fixture
def name():
    return f"e2e-life-{next(numbers)}"


def encrypt(served, token, key_id):
    body = {"key_id": key_id, "algorithm": "aes-256-gcm", "data": b64(b"hello")}
    return served.send("POST", "/api/v1/encrypt", body, token=token).status


def reload_until(who, path, text):
    """The figures follow the log within about a second."""
    for _ in range(50):
        page = who.open(path)
        if text in page.locator("main").inner_text():
            return page
        page.wait_for_timeout(200)
    pytest.fail(f"{text!r} is not shown")


def create_policy_and_key(admin, name):
    page = admin.open("/policies/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Rotate every (days)").fill("90")
    page.get_by_label("Minimum waiting period before deletion (days)").fill("10")
    assert not page.get_by_label("chacha20-poly1305").is_visible()  # the modes of the chosen algorithm only
    page.get_by_role("button", name="Create policy").click()
    page.wait_for_url(f"**/policies/{name}/")
    page = admin.open("/keys/")
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Policy").select_option(label=f"{name} (aes-256)")
    dialog.locator("#key-summary", has_text="rotates every 90 days").wait_for()
    dialog.get_by_role("button", name="Create key").click()
    page.locator("#toasts", has_text=f"Key {name} created.").wait_for()


def schedule_deletion_of_a_key_in_use(admin, name):
    """Each refusal keeps the reason and the wait; the confirmation is typed again."""
    page = reload_until(admin, f"/keys/{name}/schedule-deletion", "1 operation: admin 1")
    assert "versions 1 to 2" in page.locator("#deletion-effect").inner_text()
    page.get_by_label("Waiting period (days)").fill("7")
    page.get_by_label("Reason").fill("a rehearsal")
    page.locator("#deletion-effect", has_text="After a waiting period of 7 days").wait_for()
    for is_sure, days, response in (
        (False, "7", "Select this to continue"),
        (True, "7", "The policy requires at least 10 days."),
        (True, "10", ""),
    ):
        page.get_by_label("Schedule anyway").set_checked(is_sure)
        page.get_by_label("Waiting period (days)").fill(days)
        page.get_by_label("Key name").fill(name)
        follow(page, page.get_by_role("button", name="Schedule deletion"))
        if response:
            assert response in page.locator(".error-summary").inner_text()
    page.wait_for_url(f"**/keys/{name}/")


def test_a_key_lives_under_a_policy_until_its_deletion_is_cancelled(admin, served, api, name):
    token = served.token()
    create_policy_and_key(admin, name)
    [key] = api("GET", f"/api/v1/keys?search={name}")["results"]
    assert encrypt(served, token, key["id"]) == 200

    page = admin.open(f"/keys/{name}/")
    page.get_by_role("link", name="Rotate now").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("quarterly")
    page.get_by_role("dialog").get_by_role("button", name="Rotate now").click()
    page.get_by_text(f"{name} rotated.").wait_for()

    page = admin.open(f"/keys/{name}/settings/")
    follow(page, page.get_by_role("link", name="Schedule deletion"))
    schedule_deletion_of_a_key_in_use(admin, name)

    assert encrypt(served, token, key["id"]) == 409
    page = reload_until(admin, f"/keys/{name}/", "1 request was denied after the deletion was scheduled")
    assert "from admin" in page.get_by_role("region", name="State").inner_text()
    reload_until(admin, "/home/", f"{name} is scheduled for deletion")

    page = admin.open(f"/keys/{name}/")
    page.locator("#notice-cancel-deletion").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("still needed")
    dialog.get_by_role("button", name="Cancel deletion").click()
    state = page.get_by_role("region", name="State")
    state.get_by_text("still needed").wait_for()
    assert "until it is enabled again" in state.inner_text()
    assert encrypt(served, token, key["id"]) == 409


def test_a_policy_is_changed_and_a_deletion_scheduled_and_cancelled_without_javascript(
    without_script, api, name
):
    policy = api("POST", "/api/v1/policies", {"name": name, "algorithm": "aes-256"})
    api("POST", "/api/v1/keys", {"name": name, "algorithm": "aes-256", "policy_id": policy["id"]})
    page = without_script.open(f"/policies/{name}/edit")
    page.get_by_label("Rotate every (days)").fill("30")
    follow(page, page.get_by_role("button", name="Preview changes"))
    assert "1 key uses this policy." in page.locator("main").inner_text()
    follow(page, page.get_by_role("button", name="Back to the form"))
    assert page.get_by_label("Rotate every (days)").input_value() == "30"
    follow(page, page.get_by_role("button", name="Preview changes"))
    follow(page, page.get_by_role("button", name="Save changes"))
    assert "Every 30 days" in page.locator("main").inner_text()

    page = without_script.open(f"/keys/{name}/schedule-deletion")
    page.get_by_label("Reason").fill("a rehearsal")
    page.get_by_label("Key name").fill("another")
    follow(page, page.get_by_role("button", name="Schedule deletion"))
    assert "The name does not match." in page.locator(".error-summary").inner_text()
    page.get_by_label("Key name").fill(name)
    follow(page, page.get_by_role("button", name="Schedule deletion"))
    follow(page, page.locator("#notice-cancel-deletion"))
    page.get_by_label("Reason").fill("still needed")
    follow(page, page.get_by_role("button", name="Cancel deletion"))
    assert "Deletion cancelled" in page.get_by_role("region", name="State").inner_text()
