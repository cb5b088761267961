"""Users in the browser: an administrator invites a developer, who chooses a password and is signed in."""

import re

from tests.e2e.browser import person
from tests.e2e.inspection import everything
from tests.e2e.wandering import OF_USERS
from tests.product import PASSWORD


def look(page):
    page.wait_for_load_state()
    faults = everything(page, thoroughly=False)
    assert not faults, f"{page.url}\n" + "\n".join(faults)


def test_an_administrator_invites_a_developer_who_signs_in(admin, chromium, base):
    page = admin.open("/users/")
    page.get_by_role("link", name="Invite user").click()
    page.get_by_label("Username").fill("nora")
    page.get_by_role("radio", name=re.compile("Developer")).check()
    page.get_by_role("button", name="Create invitation").click()
    page.get_by_role("heading", name="Invitation for nora").wait_for()
    look(page)
    link = page.locator("[data-value]").inner_text()
    page.get_by_role("link", name="I have copied the link").click()
    page.get_by_text("Open until").wait_for()
    look(page)
    user_url = page.url
    for slug in sorted(name.removeprefix("user-") for name in OF_USERS):
        page.goto(user_url + slug)
        look(page)

    with person(chromium, base) as nora:
        nora.page.goto(link)
        look(nora.page)
        nora.page.get_by_label("Password", exact=True).fill(PASSWORD)
        nora.page.get_by_role("button", name="Set password and sign in").click()
        nora.page.wait_for_url("**/home/")
        assert nora.page.get_by_role("link", name="Users").count() == 0
        nora.page.get_by_role("button", name="Sign out").click()
        nora.page.goto(link)
        assert "not valid" in nora.page.get_by_role("heading", level=1).inner_text()
        nora.sign_in("nora")

        page.goto(user_url + "reset-password")
        page.get_by_label("Reason").fill("forgot it")
        page.get_by_label("Username").fill("nora")
        page.get_by_role("button", name="Reset password").click()
        page.get_by_role("heading", name="Password reset for nora").wait_for()
        look(page)
        nora.page.goto(page.locator("[data-value]").inner_text())
        look(nora.page)
        nora.page.get_by_label("Password", exact=True).fill(f"new {PASSWORD}")
        nora.page.get_by_role("button", name="Set password").click()
        nora.page.get_by_text("Your password has been changed").wait_for()

    page.goto(user_url)
    dialog = page.get_by_role("dialog")
    page.get_by_role("link", name="Disable").click()
    dialog.get_by_role("link", name="Cancel").click()
    dialog.wait_for(state="hidden")
    page.get_by_role("link", name="Disable").click()
    dialog.get_by_label("Reason").fill("left the company")
    dialog.get_by_role("button", name="Disable").click()
    page.get_by_text("nora disabled.").wait_for()
    assert page.locator(".badge", has_text="Disabled").is_visible()
