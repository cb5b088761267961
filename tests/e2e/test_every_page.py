"""Checks 22, 23, 28 to 30, 32 and 35 of the design: every page, for each role, in a real browser."""

import pytest

from tests.e2e.access import (
    SIGNING,
    add_account,
    add_log_target,
    add_signing_key,
    add_token,
    add_webhook,
)
from tests.e2e.browser import Person, person
from tests.e2e.inspection import accessibility, everything, show
from tests.e2e.wandering import FILES, name_of, reachable, wander

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "manifest-src 'self'",
}
NAMES = {"admin": "mira", "operator": "jonas", "auditor": "ines", "developer": "payments-api"}
KEYS = {  # for each role, one in each state that it sees
    "developer": ("payments-db", "payouts-2027", "black-friday-vouchers", "old-gateway"),
    "others": (
        "card-pan-vault",
        "payouts-2027",
        "black-friday-vouchers",
        "legacy-csv",
        "old-gateway",
        "partner-acme-sftp",
        "loyalty-points",
    ),
}
THOROUGH = "admin"  # the role that sees everything checks every size and theme
LISTEN = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.__violations.push(event.violatedDirective));
"""
OPENERS = "main [hx-target='#dialog-body'], .page-head [hx-target='#dialog-body']"


class Wanderer:
    """A user who visits the pages of the console and collects their faults."""

    def __init__(self, somebody: Person, role: str) -> None:
        self.person, self.role, self.thoroughly = somebody, role, role == THOROUGH
        self.faults: list[str] = []
        self.visited: set[str] = set()
        self.dialogs: set[str] = set()
        somebody.page.add_init_script(LISTEN)
        somebody.page.on("response", self.judge)

    def judge(self, response) -> None:
        policy = response.headers.get("content-security-policy", "")
        if set(policy.split("; ")) != POLICY:
            self.faults.append(f"{response.url}: policy {policy!r}")
        if response.status >= 400 and name_of(response.url):
            self.faults.append(f"{response.url}: {response.status}")

    def walk(self, start) -> None:
        for name in wander(self.person, self.role, start):
            self.visited.add(name)
            if name not in FILES:
                self.look()

    def look(self) -> None:
        page = self.person.page
        path = page.url.removeprefix(self.person.base)
        self.faults += [f"{path}: {fault}" for fault in everything(page, thoroughly=self.thoroughly)]
        if self.thoroughly:
            self.open_dialogs(path)
        self.faults += [f"{path}: policy violated: {each}" for each in page.evaluate("window.__violations")]

    def open_dialogs(self, path: str) -> None:
        """Open each dialog once: it is accessible, Esc closes it, and the focus returns."""
        page = self.person.page
        for opener in page.locator(OPENERS).all():
            route = name_of(opener.get_attribute("href") or "")
            if route in self.dialogs or not opener.is_visible():
                continue
            self.dialogs.add(route)
            opener.click()
            page.get_by_role("dialog").wait_for()
            for size, theme in (("wide", "light"), ("narrow", "dark")):
                show(page, size=size, theme=theme)
                self.faults += [f"{path}: dialog {route} {size}: {each}" for each in accessibility(page)]
            show(page, size="wide", theme="light")
            page.keyboard.press("Escape")
            page.get_by_role("dialog").wait_for(state="hidden")
            if self.person.focused() != opener.get_attribute("id"):
                self.faults.append(f"{path}: dialog {route}: the focus is on {self.person.focused()}")


@pytest.mark.parametrize("role", sorted(NAMES))
def test_every_page_that_the_role_may_see_is_sound(chromium, demo, role):
    keys = KEYS.get(role, KEYS["others"])
    add_token(demo.product, NAMES[role])
    add_signing_key(demo.product, NAMES["developer"])
    if role in {"admin", "auditor"}:
        add_account(demo.product, NAMES["admin"])
    if role != "developer":
        add_log_target(demo.product, NAMES["admin"])
    if role == "admin":
        add_webhook(demo.product, NAMES["admin"])
    with person(chromium, demo.base) as somebody:
        wanderer = Wanderer(somebody.sign_in(NAMES[role]), role)
        versions = [
            f"/keys/{key}/versions/" for key in (keys[0], "payments-db")
        ]  # disabled, and enabled old ones
        if role != "developer":
            versions.append("/keys/ledger-exports/versions/")  # one is scheduled for destruction
        if role in {"admin", "developer"}:
            versions.append(f"/keys/{SIGNING}/sign-file/")
        policies = ["/policies/legacy-aes-128/", "/policies/pci-card-data/"]  # inactive and unused; in use
        wanderer.walk(["/home/", *(f"/keys/{key}/" for key in (*keys, SIGNING)), *versions, *policies])
        assert not wanderer.faults, "\n".join(wanderer.faults)
        assert (somebody.complaints.console, somebody.complaints.strangers) == ([], [])
        assert reachable(role) - wanderer.visited == set()
