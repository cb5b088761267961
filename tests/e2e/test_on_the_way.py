"""The pages without a link: set-up, sign-in, the second factor, faults and errors. Checks 27, 30, 32, 35."""

import re
from contextlib import ExitStack

import pytest

from tests.e2e.authenticator import code_of
from tests.e2e.browser import person
from tests.e2e.inspection import everything
from tests.e2e.wandering import ON_THE_WAY, name_of
from tests.product import PASSWORD, Product

LINK = re.compile(r"http://127\.0\.0\.1:\d+(/setup/[\w-]{43}/)")


class Visitor:
    """A user who meets a prompt at each step; ``seen`` has the names of the inspected pages."""

    def __init__(self, somebody):
        self.somebody, self.page, self.seen = somebody, somebody.page, set()

    def look(self, what=""):
        """Wait until the page is loaded, and check it in each size and theme."""
        self.page.wait_for_load_state()
        faults = everything(self.page, thoroughly=True)
        assert not faults, f"{self.page.url} {what}\n" + "\n".join(faults)
        self.seen.add(name_of(self.page.url))

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def complaints(self):
        return self.somebody.complaints.console, self.somebody.complaints.strangers


@pytest.fixture
def visitor_of(chromium):
    """``visitor_of(base)``: a user in their own browser."""
    with ExitStack() as opened:
        yield lambda base: Visitor(opened.enter_context(person(chromium, base)))


def test_setting_up_is_sound(visitor_of, served, tmp_path):
    product = Product(tmp_path, database="", redis=False, CC_ADMIN_PASSWORD="")
    try:
        product.start()
        visitor = visitor_of(f"http://127.0.0.1:{product.port}")
        visitor.somebody.open("/setup/")
        visitor.look()
        [link] = LINK.findall(product.stdout)
        visitor.somebody.open(link)
        visitor.look()
        visitor.page.get_by_label("Password", exact=True).fill("short")
        visitor.press("Create account and sign in")
        visitor.look("with a fault")
        visitor.page.get_by_label("Password", exact=True).fill(PASSWORD)
        visitor.press("Create account and sign in")
        visitor.page.wait_for_url("**/setup/first-key/")
        visitor.press("Create and encrypt")
        visitor.page.get_by_text("cc1.").first.wait_for()
        visitor.look("with a ciphertext")
        for path in ("/home/", "/keys/", "/jobs/", "/audit/?search=nothing-of-that-name"):
            visitor.somebody.open(path)
            visitor.look("with next to nothing in it")
        assert {"setup", "setup-link", "first-key"} <= visitor.seen
        assert visitor.complaints() == ([], [])
    finally:
        product.kill()


def test_signing_in_and_the_second_factor_are_sound(visitor_of, username, base):
    visitor = visitor_of(base.replace("127.0.0.1", "localhost"))  # passkeys need a host name
    page = visitor.page
    visitor.somebody.open("/login/")
    visitor.look()
    sign_in(visitor, username, "wrong")
    visitor.look("with a fault")
    sign_in(visitor, username, PASSWORD)
    page.wait_for_url("**/home/")
    visitor.look("of somebody who has nothing")
    visitor.somebody.open("/account/mfa/")
    visitor.press("Set up authenticator")
    visitor.look()
    secret = page.locator("[data-value]").text_content()
    page.get_by_label("Six-digit code").fill(code_of(secret))
    visitor.press("Confirm")
    visitor.look("with the codes")
    [code, *_] = page.locator(".codes code").all_text_contents()
    page.get_by_label("I have saved these codes").check()
    visitor.press("Finish")
    page.get_by_text("10 of 10 left").wait_for()
    visitor.look("enrolled")
    for path in ("/account/mfa/codes/", "/account/mfa/remove/", "/account/passkeys/new/", "/reauth/"):
        visitor.somebody.open(path)
        visitor.look()
    visitor.press("Sign out")
    visitor.look("signed out")
    sign_in(visitor, username, PASSWORD)
    page.wait_for_url("**/login/code/**")
    visitor.look()
    page.get_by_label("Six-digit code").fill("000 000")
    visitor.press("Sign in")
    visitor.look("with a wrong code")
    page.get_by_text("Use a recovery code instead").click()
    page.get_by_label("Recovery code").fill(code)
    visitor.press("Sign in")
    page.get_by_text("9 codes left").wait_for()
    assert ON_THE_WAY - {"setup", "setup-link"} <= visitor.seen
    assert visitor.complaints() == ([], [])


def sign_in(visitor, username, password):
    visitor.page.goto(f"{visitor.somebody.base}/login/")
    visitor.page.get_by_label("Username").fill(username)
    visitor.page.get_by_label("Password", exact=True).fill(password)
    visitor.press("Sign in")


def test_faults_and_errors_are_sound(visitor_of, base, session_of):
    visitor = visitor_of(base)
    page = visitor.page
    visitor.somebody.open("/keys/none-of-that-name/")
    visitor.look("signed out")
    visitor.somebody.enter(session_of("admin"))
    for path in (
        "/keys/none-of-that-name/",
        "/nothing/",
        "/audit/999999999/",
        "/keys/?status=unknown&search=none",
    ):
        visitor.somebody.open(path)
        visitor.look(path)
    visitor.somebody.open("/keys/new")
    page.get_by_label("Name").fill("UPPER")
    page.get_by_role("main").get_by_role("button", name="Create key").click()
    page.get_by_role("alert").filter(has_text="characters: a-z").wait_for()
    visitor.look("with a fault")
    assert visitor.complaints() == ([], [])


def test_a_form_without_its_token_explains_itself(visitor_of, base, session_of):
    """27: nothing is changed, and the page explains what to do."""
    visitor = visitor_of(base)
    visitor.somebody.enter(session_of("admin"))
    visitor.somebody.open("/keys/new")
    visitor.page.get_by_label("Name").fill("forged-key")
    visitor.page.evaluate(
        "document.querySelectorAll('[name=csrfmiddlewaretoken]').forEach((node) => node.remove())"
    )
    visitor.page.get_by_role("main").get_by_role("button", name="Create key").click()
    visitor.page.get_by_text("The form is out of date").wait_for()
    visitor.look("refused")
    visitor.somebody.open("/keys/forged-key/")
    assert visitor.page.get_by_role("heading", level=1).inner_text() != "forged-key"


def test_the_page_names_the_missing_permission(visitor_of, base, session_of):
    visitor = visitor_of(base)
    visitor.somebody.enter(session_of("auditor"))
    visitor.somebody.open("/keys/new")
    assert "keys.create" in visitor.page.get_by_role("main").inner_text()
    visitor.look("refused")
