"""Signing in and out in the browser, with JavaScript and without."""

import time

import pytest

from tests.accounts.test_totp import Authenticator
from tests.e2e.browser import person
from tests.product import PASSWORD


@pytest.fixture(params=[True, False], ids=["script", "none"])
def somebody(request, chromium, base):
    with person(chromium, base, java_script_enabled=request.param) as visitor:
        yield visitor
        assert (visitor.complaints.console, visitor.complaints.strangers) == ([], [])


@pytest.fixture
def careful(served, username):
    """A user with an authenticator: ``(name, authenticator)``."""
    token = served.token(username)
    secret = served.send("POST", "/auth/totp/enrol", {}, token=token).json["secret"]
    authenticator = Clock(secret)

    def is_confirmed():
        body = {"code": authenticator.code(-1)}
        return served.send("POST", "/auth/totp/confirm", body, token=token).status == 200

    assert is_confirmed() or is_confirmed()  # the step may end in transit; the next one has then begun
    return username, authenticator


class Clock(Authenticator):
    """Uses the clock of this machine, because the product has its own database."""

    def code(self, steps=0):
        return self.at(time.time() + 30 * steps)


def fill_in(page, name, password=PASSWORD):
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_developer_signs_in_and_out(somebody):
    page = somebody.open("/keys/")
    page.wait_for_url("**/login/?next=%2Fkeys%2F")
    fill_in(page, "developer")
    page.wait_for_url("**/keys/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You have signed out of this browser").wait_for()
    page.go_back()
    page.reload()
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_wrong_password_shows_one_thing_and_keeps_the_name(somebody):
    page = somebody.open("/login/")
    fill_in(page, "developer", "not the password")
    assert "The username or password is wrong." in page.get_by_role("alert").first.inner_text()
    assert page.get_by_label("Username").input_value() == "developer"
    assert page.get_by_label("Password", exact=True).input_value() == ""
    fill_in(page, "developer")
    page.wait_for_url("**/home/")


def test_a_second_factor_is_a_page_of_its_own(somebody, careful):
    name, authenticator = careful
    page = somebody.open("/keys/")
    fill_in(page, name)
    page.wait_for_url("**/login/code/?next=%2Fkeys%2F")
    field = page.get_by_label("Six-digit code")
    assert field.get_attribute("autocomplete") == "one-time-code"
    assert field.get_attribute("inputmode") == "numeric"
    field.fill(authenticator.wrong_code())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").first.wait_for()
    assert page.get_by_label("Six-digit code").input_value() == ""
    code = authenticator.code()
    page.get_by_label("Six-digit code").fill(f"{code[:3]} {code[3:]}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/keys/")


def test_the_admin_is_behind_the_same_sign_in(somebody):
    page = somebody.open("/admin/audit/auditlog/")
    fill_in(page, "auditor")
    page.wait_for_url("**/admin/audit/auditlog/")
    page.get_by_role("link", name="Back to the console").click()
    page.wait_for_url("**/audit/")
    somebody.open("/admin/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You have signed out of this browser").wait_for()


def test_the_admin_site_explains_its_refusal_to_a_developer(somebody):
    page = somebody.open("/admin/")
    fill_in(page, "developer")
    page.get_by_text("Your role cannot open the admin site.").wait_for()
