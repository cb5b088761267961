"""39: a failure during an action shows a message that stays, and the input is kept."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import person
from tests.e2e.inspection import of_message
from tests.product import Product


class UnsentForm:
    """The dialog for a new key, filled in and not sent."""

    def __init__(self, somebody, name):
        self.somebody, self.page, self.name = somebody, somebody.open("/keys/"), name
        somebody.mark()
        self.page.get_by_role("link", name="Create key").click()
        self.dialog = self.page.get_by_role("dialog")
        self.dialog.get_by_label("Name").fill(name)

    def choose(self, algorithm):
        self.dialog.get_by_role("radio", name=algorithm).check()

    def send(self):
        self.dialog.get_by_role("button", name="Create key").click()

    def shows_message(self, text):
        """Check the kept input and the message, which must be in the dialog, because that hides the page
        behind it.
        """
        alert = self.dialog.get_by_role("alert").filter(has_text=text)
        alert.wait_for()
        self.page.wait_for_timeout(500)
        assert of_message(self.page, alert.locator("p")) == []
        assert self.dialog.get_by_label("Name").input_value() == self.name
        assert not self.somebody.was_reloaded()

    def is_sent_again(self):
        self.send()
        self.page.locator("#toasts", has_text=f"Key {self.name} created.").wait_for()
        expect(self.page.locator("#dialog-notices")).to_be_empty()
        assert not self.somebody.was_reloaded()


@pytest.fixture
def unlucky(admin):
    """The administrator; the browser must log messages about the failures that the test causes."""
    yield admin
    assert admin.complaints.console
    admin.complaints.console.clear()


def test_a_form_without_a_network_shows_a_message_and_can_be_sent_again(unlucky):
    form = UnsentForm(unlucky, "typed-offline")
    unlucky.context.set_offline(True)
    form.send()
    form.shows_message(
        "Could not reach the server. The change may or may not have been applied. Check the audit log."
    )
    unlucky.context.set_offline(False)
    form.is_sent_again()


def test_the_summary_below_a_form_takes_no_notice_away(unlucky):
    """It is requested while the user types, so its success or failure says nothing about the key."""
    form = UnsentForm(unlucky, "typed-and-changed")
    unlucky.context.set_offline(True)
    form.send()
    unsure = "Could not reach the server. The change may or may not have been applied"
    form.shows_message(unsure)
    with form.page.expect_event("requestfailed"):
        form.choose("aes-256-siv")
    form.page.locator("#key-summary:not(.htmx-request)").wait_for()  # htmx has processed it as well
    form.shows_message(unsure)
    unlucky.context.set_offline(False)
    form.choose("chacha20")
    form.dialog.get_by_role("status").filter(has_text="chacha20 key").wait_for()
    form.shows_message(unsure)


def test_the_server_fails(unlucky, served):
    form = UnsentForm(unlucky, "typed-for-a-failing-server")
    with served.without_table("key_versions"):
        form.send()
        form.shows_message(
            re.compile(
                r"could not complete the request \(error 50[03]\)\. The change may or may not have been applied"
            )
        )
    form.is_sent_again()


@pytest.fixture
def limited(tmp_path, chromium):
    """A user with a limit of 20 requests per minute."""
    with (
        Product(tmp_path, database="", redis=False, CC_THROTTLE_PRINCIPAL="20/minute") as product,
        person(chromium, f"http://127.0.0.1:{product.port}") as somebody,
    ):
        yield somebody.sign_in("admin")


def test_a_form_over_the_budget_shows_the_time_to_retry(limited):
    form = UnsentForm(limited, "Not a name")
    for _ in range(200):  # a click during a request sends nothing, and the budget refills over time
        form.send()
        form.page.wait_for_timeout(100)
        if form.dialog.get_by_text("Too many requests").count():
            break
    form.shows_message(re.compile(r"Too many requests\. Try again in \d+ seconds\. Nothing was changed\."))


def test_a_list_that_cannot_be_read_again_reports_it_and_stays(unlucky, api):
    """No dialog is open: the notice is shown above the page."""
    api("POST", "/api/v1/keys", {"name": "listed-offline", "algorithm": "aes-256"})
    page = unlucky.open("/keys/")
    unlucky.context.set_offline(True)
    page.get_by_label("Search keys").fill("listed-off")
    notice = page.locator("#notices", has_text="Could not reach the server. Nothing was changed.")
    notice.wait_for()
    assert of_message(page, notice) == []
    assert page.get_by_role("link", name="listed-offline", exact=True).is_visible()
    assert page.get_by_label("Search keys").input_value() == "listed-off"
    unlucky.context.set_offline(False)
    page.get_by_label("Search keys").fill("listed-offline")
    page.wait_for_url("**search=listed-offline")
    expect(page.locator("#notices")).to_be_empty()
