"""A user with a mouse and a keyboard, whose actions are counted, and a task for them."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Browser, Locator, expect

from tests.e2e.browser import Counted, Person
from tests.product import PASSWORD, Product

PATIENCE = 20_000  # milliseconds, for anything that a task expects


class Hand(Counted):
    """Acts as a person does. ``is_recent``: the sign-in is recent, so that no page requests the password again."""

    def __init__(self, person: Person, product: Product, *, is_recent: bool) -> None:
        super().__init__(person.page)
        self.person, self.product, self.is_recent = person, product, is_recent
        self.page.set_default_timeout(PATIENCE)
        self.dialog = self.page.get_by_role("dialog")
        self.confirmations = 0
        self.given = ""  # a text that the user has

    @property
    def browser(self) -> Browser:
        found = self.person.context.browser
        assert found
        return found

    def with_page_of(self, person: Person) -> "Hand":
        """The hand of another person, who takes part in the same task. ``add`` adds what they did."""
        return Hand(person, self.product, is_recent=True)

    def add(self, other: "Hand") -> None:
        self.clicks += other.clicks
        self.typed += other.typed

    def click(self, role: str, name: str, *, exact: bool = False) -> None:
        self.take(self.page.get_by_role(role, name=name, exact=exact))  # type: ignore[arg-type]  # a word of ARIA

    def take(self, control: Locator) -> None:
        """Click this control, once the scripts of its page run: a dialog may open."""
        self.clicks += 1
        control.wait_for()
        self.page.wait_for_load_state("domcontentloaded")
        control.click()

    def type(self, label: str, text: str) -> None:
        """Enter or paste a text at once: the seconds of a task are those of the product, not of typing."""
        self.fill(self.page.get_by_label(label, exact=True), text)

    def fill(self, field: Locator, text: str) -> None:
        self.typed += 1
        field.fill(text)

    def choose(self, label: str, choice: str) -> None:
        """One click opens the list of a field, and one chooses."""
        self.clicks += 2
        self.page.get_by_label(label, exact=True).select_option(label=choice)

    def press_enter(self, field: str) -> None:
        self.clicks += 1
        self.page.get_by_label(field, exact=True).press("Enter")

    def copy(self, what: str) -> str:
        """Press the copy button, and return the text beside it."""
        button = self.page.get_by_role("button", name=f"Copy {what}", exact=True)
        self.take(button)
        button.get_by_text("Copied").wait_for()
        return self.page.locator(".snippet", has=button).locator("[data-value]").inner_text()

    def confirm(self) -> None:
        """Enter the password again, because the sign-in is not recent."""
        if not self.is_recent:
            self.confirmations += 1
            self.page.get_by_role("heading", name="Confirm your identity").wait_for()
            self.type("Password", PASSWORD)
            self.click("button", "Confirm")

    def go(self, *names: str) -> None:
        """Follow the navigation at the top, and then links."""
        first, *others = names
        main = self.page.get_by_role("navigation", name="Main")
        self.take(main.get_by_role("link", name=first, exact=True))
        for name in others:
            self.click("link", name, exact=True)

    def open_account(self, tab: str) -> None:
        self.click("link", "mira", exact=True)
        tabs = self.page.get_by_role("navigation", name="Account")
        self.take(tabs.get_by_role("link", name=tab, exact=True))

    def open_key(self, name: str, tab: str = "") -> None:
        self.go("Keys", name)
        if tab:
            tabs = self.page.get_by_role("navigation", name=name, exact=True)
            self.take(tabs.get_by_role("link", name=tab, exact=True))

    def sees(self, text: str) -> None:
        self.page.locator("main").get_by_text(text).first.wait_for()

    def is_told(self, text: str) -> None:
        """A message of success."""
        self.page.locator("#toasts").get_by_text(text, exact=True).wait_for()

    def has_state(self, state: str) -> None:
        """Of the key on the page."""
        expect(self.page.locator(".page-head .badge").first).to_have_text(state)


def _nothing(_: Product) -> str:
    return ""


@dataclass(frozen=True)
class Task:
    """``confirms``: it needs a recent sign-in, and includes entering the password again.

    ``follows``: it needs the result of a task that confirms. ``prepare`` is not part of the task, and returns a text that the user has,
    for example from an application.
    """

    name: str
    do: Callable[[Hand], None]
    confirms: bool = False
    follows: bool = False
    prepare: Callable[[Product], str] = _nothing

    @property
    def is_late(self) -> bool:
        return self.confirms or self.follows
