"""The user's own account in the browser: checks 15, 17 and 18 of the design, by their numbers."""

from itertools import count
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.e2e.authenticator import code_of, read_qr_code, wrong_code
from tests.e2e.browser import follow, person
from tests.e2e.inspection import of_message
from tests.product import PASSWORD

numbers = count(1)


@pytest.fixture
def somebody(visitor, username, session_of):
    return visitor.enter(session_of(username))


def set_up(person):
    """Do the three steps; return the secret and the ten codes."""
    page = person.open("/account/mfa/")
    page.get_by_role("button", name="Set up authenticator").click()
    secret = page.locator("[data-value]").text_content()
    page.get_by_label("Six-digit code").fill(code_of(secret))
    follow(page, page.get_by_role("button", name="Confirm"))
    codes = page.locator(".codes code").all_text_contents()
    page.get_by_label("I have saved these codes").check()
    page.get_by_role("button", name="Finish").click()
    page.get_by_text("10 of 10 left").wait_for()
    return secret, codes


def sign_in_with_code(page, base, username, code):
    page.goto(f"{base}/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    fill_in_code(page, code)
    page.get_by_role("button", name="Sign in").click()


def fill_in_code(place, code):
    """A code from the app, or a recovery code, which has a field of its own."""
    if len(code) > 6:
        place.get_by_text("Use a recovery code instead").click()
    place.get_by_label("Recovery code" if len(code) > 6 else "Six-digit code").fill(code)


def read_both_themes(page):
    """The text of the QR code, which must be the same in both themes."""
    shown = page.get_by_role("img", name="QR code of the secret below")
    read = set()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        read.add(read_qr_code(shown))
    (text,) = read
    return text


def test_a_wrong_code_enrols_nothing_and_a_right_one_gives_ten(somebody, username, base):
    """15: the QR code contains the displayed secret; a wrong code is refused, a right one accepted; the recovery
    codes are copied as lines; each works once, and the page counts them.
    """
    page = somebody.open("/account/mfa/")
    page.get_by_role("button", name="Set up authenticator").click()
    secret = page.locator("[data-value]").text_content()
    uri = read_both_themes(page)
    assert uri == page.get_by_role("link", name="Open an authenticator app").get_attribute("href")
    assert parse_qs(urlsplit(uri).query)["secret"] == [secret]
    assert urlsplit(uri).path == f"/CipherCanary%3A{username}"
    page.get_by_label("Six-digit code").fill(wrong_code(secret))
    page.get_by_role("button", name="Confirm").click()
    assert "wrong or has expired" in page.locator(".error-summary").inner_text()
    somebody.open("/account/mfa/")
    assert page.get_by_text("sign-in does not require a code").is_visible()

    page.get_by_role("link", name="Continue setup").click()
    page.get_by_label("Six-digit code").fill(code_of(secret))
    follow(page, page.get_by_role("button", name="Confirm"))
    codes = page.locator(".codes code").all_text_contents()
    assert len(set(codes)) == 10
    somebody.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").splitlines() == codes
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.path().read_text().split()[-10:] == codes
    follow(page, page.get_by_role("button", name="Finish"))
    assert "Save the codes" in page.locator(".error-summary").inner_text()
    assert page.locator(".codes code").all_text_contents() == codes
    page.get_by_label("I have saved these codes").check()
    page.get_by_role("button", name="Finish").click()
    page.get_by_text("10 of 10 left").wait_for()

    page.get_by_role("button", name="Sign out").click()
    sign_in_with_code(page, base, username, codes[0])
    page.get_by_text("You used a recovery code. You have 9 codes left.").wait_for()
    page.get_by_role("button", name="Sign out").click()
    sign_in_with_code(page, base, username, codes[0])
    page.locator(".error-summary").wait_for()
    assert page.url.endswith("/login/code/")


def test_a_second_factor_is_set_up_and_used_without_scripts(chromium, base, username, session_of):
    with person(chromium, base, java_script_enabled=False) as somebody:
        somebody.enter(session_of(username))
        _, codes = set_up(somebody)
        page = somebody.page
        page.get_by_role("link", name="Create new recovery codes").click()
        follow(page, page.get_by_role("button", name="Create new codes"))
        new = page.locator(".codes code").all_text_contents()
        assert not set(new) & set(codes)
        somebody.open("/account/mfa/remove/")
        fill_in_code(page, new[0])
        page.get_by_role("button", name="Remove").click()
        page.get_by_text("Authenticator removed").wait_for()


def sign_out_others(chromium, base, username, code=""):
    with person(chromium, base) as other:
        if code:
            sign_in_with_code(other.page, base, username, code)
            other.page.wait_for_url("**/home/")
        else:
            other.sign_in(username)
        page = other.open("/account/sessions/")
        page.get_by_role("button", name="Sign out other sessions").click()
        page.get_by_text("Signed out of").first.wait_for()


def type_in_form_and_lose_the_session(somebody, end):
    """Fill in a form on a page, and end the session before htmx sends the form."""
    page = somebody.open("/keys/")
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(f"kept-{next(numbers)}-{somebody.page.evaluate('Date.now()')}")
    # The form's own validation request gets its response before the session ends.
    dialog.get_by_label("Name").press("Tab")
    dialog.get_by_text("No key that you can see is named").wait_for()
    end()
    dialog.get_by_role("button", name="Create key").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    return page, dialog


def test_signing_out_others_opens_the_sign_in_over_the_untouched_form(somebody, username, chromium, base):
    """17: the input is still there, also if the sign-in is closed; it is sent again with the new session's token."""
    page, dialog = type_in_form_and_lose_the_session(
        somebody, lambda: sign_out_others(chromium, base, username)
    )
    somebody.mark()
    page.keyboard.press("Escape")
    dialog.get_by_role("button", name="Create key").wait_for()
    assert dialog.get_by_label("Name").input_value().startswith("kept-")
    dialog.get_by_role("button", name="Create key").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    dialog.get_by_label("Username").fill(username)
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    page.get_by_text("You are signed in again").wait_for()
    name = dialog.get_by_label("Name").input_value()
    assert name.startswith("kept-")
    dialog.get_by_role("button", name="Create key").click()
    page.locator("#toasts", has_text=name).wait_for()
    assert not page.get_by_role("dialog").is_visible()
    assert not somebody.was_reloaded()


def test_the_sign_in_over_a_form_asks_for_the_second_factor_too(somebody, username, chromium, base):
    """17, with an authenticator: two steps in the dialog, a wrong code between them, then the form again."""
    secret, codes = set_up(somebody)
    page, dialog = type_in_form_and_lose_the_session(
        somebody, lambda: sign_out_others(chromium, base, username, codes[0])
    )
    dialog.get_by_label("Username").fill(username)
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    fill_in_code(dialog, wrong_code(secret))
    dialog.get_by_role("button", name="Sign in").click()
    dialog.locator(".error-summary").wait_for()
    fill_in_code(dialog, codes[1])
    dialog.get_by_role("button", name="Sign in").click()
    page.get_by_text("You are signed in again").wait_for()
    name = dialog.get_by_label("Name").input_value()
    dialog.get_by_role("button", name="Create key").click()
    page.locator("#toasts", has_text=name).wait_for()


def seconds_left(served, username):
    with psycopg.connect(served.database) as connection:
        query = (
            "SELECT extract(epoch FROM max(expire_date) - now()) FROM browser_sessions s "
            "JOIN users u ON u.id = s.user_id WHERE u.username = %s"
        )
        return float(connection.execute(query, [username]).fetchone()[0])


def shorten(served, username, seconds):
    """Make the session expire in ``seconds``, as if it had been idle."""
    with psycopg.connect(served.database) as connection:
        connection.execute(
            "UPDATE browser_sessions SET expire_date = now() + %s * interval '1 second' "
            "WHERE user_id = (SELECT id FROM users WHERE username = %s)",
            [seconds, username],
        )


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
def test_a_form_on_its_own_page_keeps_its_text_when_the_session_ends(
    chromium, base, served, api, username, session_of, script
):
    """The text is in the form again after the sign-in, and only the user submits it."""
    made = api("POST", "/api/v1/keys", {"name": f"draft-{next(numbers)}", "algorithm": "aes-256"})
    with person(chromium, base, java_script_enabled=script) as somebody:
        page = somebody.enter(session_of(username)).open(f"/keys/{made['name']}/settings/")
        page.get_by_label("Description").fill("Typed before the session ended")
        shorten(served, username, -1)
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Your session has ended").wait_for()
        page.get_by_label("Username").fill(username)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("what you typed before the sign-in").wait_for()
        assert page.url == f"{base}/keys/{made['name']}/settings/"
        assert page.get_by_label("Description").input_value() == "Typed before the session ended"
        assert api("GET", f"/api/v1/keys/{made['id']}")["description"] == ""
        page.get_by_role("button", name="Save").click()
        page.locator("#toasts", has_text=f"{made['name']} saved").wait_for()
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])


def test_the_end_of_a_session_is_announced_and_put_off_by_keyboard(somebody, username, served):
    """18: the warning appears two minutes before, and *Stay signed in* works without a mouse."""
    page = somebody.page
    page.clock.install()
    somebody.open("/account/")
    banner = page.locator("#session-end")
    page.clock.fast_forward("27:00")
    assert banner.inner_text() == ""
    page.clock.fast_forward("00:56")
    page.get_by_role("button", name="Stay signed in").wait_for()
    assert "You will be signed out at" in banner.inner_text()
    assert of_message(page, banner.locator("p")) == []
    shorten(served, username, 110)
    for _ in range(20):  # from the top of the page, as a screen reader user would
        page.keyboard.press("Tab")
        if somebody.focused() == "Stay signed in":
            break
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stay signed in").wait_for(state="detached")
    assert seconds_left(served, username) > 29 * 60
    page.clock.fast_forward("27:56")
    page.get_by_role("button", name="Stay signed in").wait_for()
