"""People in front of a real Chromium: what they see, and what the browser complains of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Route,
    expect,
)

from tests.e2e.chromium import find_chromium
from tests.product import PASSWORD

# Chromium writes a line for each answer that is no success, the 422 of a form included, and htmx one for the 401 of a
# session that has ended: it is no fault of the page.
EXPECTED = (
    "Failed to load resource: the server responded with a status of",
    "Response Status Error Code 401",
)
LONG_ENOUGH = 60_000  # milliseconds, for whatever has to come
expect.set_options(timeout=LONG_ENOUGH)
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 800}


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium: nothing is downloaded."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])


@dataclass
class Complaints:
    """What the console of the browser said, and which requests would have left the origin."""

    base: str
    console: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            self.console.append(message.text)

    def let_pass(self, route: Route) -> None:
        if route.request.url.startswith((self.base, "data:", "blob:")):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()


class Person:
    """Somebody with a browser of his own: ``person.page`` is its one window."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.context = context
        self.base = base
        self.complaints = Complaints(base)
        context.route("**/*", self.complaints.let_pass)
        context.on("console", self.complaints.hear)
        context.on("weberror", lambda error: self.complaints.console.append(str(error.error)))
        self.page: Page = context.new_page()
        self.page.set_default_timeout(LONG_ENOUGH)

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def sign_in(self, username: str, password: str = PASSWORD) -> "Person":
        self.open("/login/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/home/")
        return self

    def mark(self) -> None:
        """Leave a mark that a reload of the page would wipe away."""
        self.page.evaluate("window.__mark = true")

    def was_reloaded(self) -> bool:
        return not self.page.evaluate("window.__mark === true")

    def focused(self) -> str:
        """The id of what has the focus, else its text."""
        return self.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def follow(page: Page, control: Locator) -> None:
    """Click what loads a page, and wait until all of it is there: a click alone waits for its beginning."""
    with page.expect_navigation():
        control.click()


@contextmanager
def person(browser: Browser, base: str, **options: object) -> Iterator[Person]:
    """``options`` as for Playwright's ``new_context``: ``color_scheme``, ``viewport``, ``java_script_enabled`` …"""
    context = browser.new_context(**{"viewport": WIDE, **options})
    try:
        yield Person(context, base)
    finally:
        context.close()
