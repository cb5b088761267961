"""Passkeys in the browser, with Chromium's virtual authenticator."""

import pytest

from tests.e2e.browser import person
from tests.e2e.test_account import set_up
from tests.product import PASSWORD


@pytest.fixture
def origin(served):
    """Passkeys work at ``localhost``: an IP address cannot be a relying party."""
    return f"http://localhost:{served.port}"


@pytest.fixture
def somebody(chromium, origin, username, session_of):
    """Signed in at an address where passkeys work, with a device that has none yet."""
    with person(chromium, origin) as visitor:
        plug_in(visitor)
        yield visitor.enter(session_of(username))
        assert (visitor.complaints.console, visitor.complaints.strangers) == ([], [])


def plug_in(visitor, *, verifies=True):
    """Add a virtual device that reports user verification without asking the user."""
    session = visitor.context.new_cdp_session(visitor.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def add(visitor, name="telephone"):
    page = visitor.open("/account/passkeys/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create passkey").click()
    page.get_by_text(f"Passkey {name} added.").wait_for()
    return page


def test_a_passkey_is_added_used_named_and_removed(somebody):
    page = add(somebody)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Use a passkey", exact=True).click()
    page.wait_for_url("**/home/")

    somebody.open("/account/passkeys/")
    assert "just now" in page.get_by_role("row", name="telephone").inner_text()
    page.get_by_label("Name of telephone").fill("my telephone")
    page.get_by_role("button", name="Rename telephone").click()
    page.get_by_text("Passkey renamed to my telephone.").wait_for()
    page.get_by_role("button", name="Remove my telephone").click()
    page.get_by_text("No passkeys yet").wait_for()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Use a passkey", exact=True).click()
    page.get_by_text("The passkey was not accepted.").wait_for()


def test_a_passkey_replaces_the_code(somebody, username):
    set_up(somebody)
    page = add(somebody)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Use a passkey instead").click()
    page.wait_for_url("**/home/")


def test_the_sign_in_over_a_page_takes_a_passkey_too(somebody):
    page = add(somebody)
    somebody.open("/keys/")
    somebody.context.clear_cookies(name="session")
    somebody.mark()
    page.get_by_role("link", name="Create key").click()
    page.get_by_role("dialog").get_by_role("button", name="Use a passkey", exact=True).click()
    page.get_by_text("You are signed in again").wait_for()
    assert not somebody.was_reloaded()


def test_a_device_that_does_not_verify_its_user_adds_nothing(chromium, origin, session_of):
    with person(chromium, origin) as visitor:
        plug_in(visitor, verifies=False)
        page = visitor.enter(session_of("admin")).open("/account/passkeys/new/")
        page.get_by_label("Name").fill("careless")
        page.get_by_role("button", name="Create passkey").click()
        page.get_by_text("cancelled or timed out").wait_for()
        visitor.open("/account/passkeys/")
        assert page.get_by_text("No passkeys yet").is_visible()


def test_where_passkeys_do_not_work_the_page_shows_where_they_do(visitor, session_of, origin):
    page = visitor.open("/login/")
    assert page.get_by_role("button", name="Use a passkey", exact=True).count() == 0
    visitor.enter(session_of("admin")).open("/account/passkeys/")
    assert page.get_by_role("link", name=origin).get_attribute("href") == origin


def test_no_form_for_a_passkey_is_shown_before_its_script_has_run(chromium, origin):
    with person(chromium, origin) as visitor:
        nothing = {"body": "", "content_type": "text/javascript"}
        visitor.context.route("**/js/passkeys*.js", lambda route: route.fulfill(**nothing))
        page = visitor.open("/login/")
        assert page.locator("[data-passkey]").count() == 1
        assert not page.locator("[data-passkey]").is_visible()
