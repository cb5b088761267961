"""Users in a real Chromium, their view of the pages, and the messages in the browser's console."""

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

# Not faults of the page: Chromium logs each unsuccessful response, including the 422 of a form, and htmx logs
# the 401 of an expired session.
EXPECTED = (
    "Failed to load resource: the server responded with a status of",
    "Response Status Error Code 401",
)
LONG_ENOUGH = 60_000  # milliseconds, for any expected change
expect.set_options(timeout=LONG_ENOUGH)
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 800}


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium; nothing is downloaded."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])


@dataclass
class Complaints:
    """The messages in the browser's console, and the requests that would have left the origin."""

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
    """A user with their own browser; ``person.page`` is its only tab."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.context = context
        self.base = base
        self.complaints = Complaints(base)
        context.route("**/*", self.complaints.let_pass)
        context.on("console", self.complaints.hear)
        context.on("weberror", lambda error: self.complaints.console.append(str(error.error)))
        self.page: Page = context.new_page()
        self.page.set_default_timeout(LONG_ENOUGH)

    def seen(self) -> str:
        """The address and the text of the page as it is now."""
        return f"{self.page.url}\n{self.page.locator('body').inner_text()}"

    def open(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def sign_in(self, username: str, password: str = PASSWORD, code: str = "") -> "Person":
        """``code``: of the second factor, if the user has one."""
        self.open("/login/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        if code:
            self.page.get_by_label("Six-digit code").fill(code)
            self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/home/")
        return self

    def enter(self, session: str) -> "Person":
        """Continue a session that was opened without the browser, by the value of its cookie."""
        self.context.add_cookies([{"name": "session", "value": session, "url": self.base}])
        return self

    def mark(self) -> None:
        """Set a mark that a reload of the page would remove."""
        self.page.evaluate("window.__mark = true")

    def was_reloaded(self) -> bool:
        return not self.page.evaluate("window.__mark === true")

    def focused(self) -> str:
        """The id of the focused element, or its text if it has no id."""
        return self.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


class Counted:
    """A user's mouse and keyboard actions, counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = self.typed = 0

    def click(self, role: str, name: str, *, exact: bool = False) -> None:
        self.clicks += 1
        self.page.get_by_role(role, name=name, exact=exact).click()  # type: ignore[arg-type]  # a word of ARIA

    def type(self, label: str, text: str) -> None:
        self.typed += 1
        self.page.get_by_label(label, exact=True).press_sequentially(text)


present: list[Person] = []  # everyone with an open browser


def follow(page: Page, control: Locator) -> None:
    """Click a control that loads a page, and wait for the end of the load; a click waits only for its start."""
    with page.expect_navigation():
        control.click()


@contextmanager
def person(browser: Browser, base: str, **options: object) -> Iterator[Person]:
    """Options of Playwright's ``new_context``: ``color_scheme``, ``viewport``, ``java_script_enabled`` …"""
    context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce", **options})
    somebody = Person(context, base)
    present.append(somebody)
    try:
        yield somebody
    finally:
        present.remove(somebody)
        context.close()
