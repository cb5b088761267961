"""The pages of officers in a real browser. They are in no table of pages, because they exist for officers only."""

from playwright.sync_api import expect

from tests.e2e.authenticator import code_of
from tests.e2e.browser import NARROW, WIDE, follow, person
from tests.e2e.inspection import accessibility, everything
from tests.product import PASSWORD

OFFICER = "olga"
LISTS = ("/canaries/", "/canaries/incidents/")
PAGES = (*LISTS, "/canaries/channels/", "/canaries/offices/", "/canaries/plant/ciphertext/")


def make_officer(product):
    """Create a user with an authenticator, and appoint them. Returns a recovery code."""
    token = product.create_user(OFFICER, "developer")
    secret = product.send("POST", "/auth/totp/enrol", token=token).json["secret"]
    confirmed = product.send("POST", "/auth/totp/confirm", {"code": code_of(secret)}, token=token)
    assert confirmed.status == 200, confirmed.content
    appointed = product.manage("appoint_officer", OFFICER)
    assert appointed.returncode == 0, appointed.stderr
    return confirmed.json["recovery_codes"][0]


def test_every_page_of_an_officer_is_sound(chromium, demo):
    code = make_officer(demo.product)
    with person(chromium, demo.base) as officer:
        page = officer.sign_in(OFFICER, PASSWORD, code).page
        faults = []
        for path in PAGES:
            officer.open(path)
            faults += [f"{path}: {fault}" for fault in everything(page, thoroughly=True)]
        page.set_viewport_size(NARROW)
        officer.open("/canaries/")
        page.get_by_role("button", name="Menu").click()
        expect(page.locator(".nav [aria-current]")).to_be_in_viewport(ratio=1)
        page.set_viewport_size(WIDE)
        officer.open("/canaries/channels/")
        page.get_by_label("Kind").select_option("webhook")
        page.get_by_label("Target").fill("https://hooks.invalid/canaries")
        follow(page, page.get_by_role("button", name="Add channel"))
        faults += [f"added channel: {fault}" for fault in everything(page, thoroughly=True)]
        assert "whsec_" in officer.seen()
        for path in LISTS:
            officer.open(path)
            follow(page, page.locator("tbody a").first)
            faults += [f"first of {path}: {fault}" for fault in everything(page, thoroughly=True)]
        officer.open("/canaries/")
        follow(page, page.locator("tbody a").last)
        page.get_by_role("link", name="Remove canary").click()
        page.get_by_role("dialog").wait_for()
        faults += [f"dialog: {fault}" for fault in accessibility(page)]
        page.get_by_role("button", name="Remove canary").click()
        page.wait_for_url("**/canaries/")
        assert not faults, "\n".join(faults)
        assert (officer.complaints.console, officer.complaints.strangers) == ([], [])
