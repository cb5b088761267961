"""A signed-in Django test client in place of a browser."""

import re
from html.parser import HTMLParser

from django.db import connection
from django.test import Client

from accounts.roles import ROLES
from tests.personas import PASSWORD, Persona

# The roles that a sweep of all pages takes. Permissions do not depend on the database: on SQLite one role suffices.
SWEPT_ROLES = sorted(ROLES) if connection.vendor == "postgresql" else ["admin"]


class _Sent(HTMLParser):
    """Collects what a browser sends for the fields of the last form with a POST method."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = dict(attrs)
        name, kind = at.get("name") or "", at.get("type") or ""
        if tag == "textarea":
            self._area = name
            self.fields[name] = [""]
        elif tag == "input" and name and (kind not in {"checkbox", "radio"} or "checked" in at):
            default = "on" if kind == "checkbox" else ""
            self.fields.setdefault(name, []).append(at.get("value") or default)

    def handle_data(self, data: str) -> None:
        if self._area:  # a browser drops the line break after the tag
            self.fields[self._area] = [data.removeprefix("\n").replace("\n", "\r\n")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""


def form_of(response: object) -> dict[str, list[str]]:
    """The fields of a page as a browser would send them, if the user changed nothing."""
    parser = _Sent()
    parser.feed(response.content.decode())
    return parser.fields


def text(response: object) -> str:
    return response.content.decode()


def plain(response: object) -> str:
    """The text without markup."""
    return " ".join(re.sub("<[^>]+>", "", text(response)).split())


def signed_in(persona: Persona, **options: object) -> Client:
    """A browser signed in as the persona with the password. ``options`` are those of Django's client."""
    browser = Client(**options)
    sent = {"username": persona.user.username, "password": PASSWORD}
    assert browser.post("/login/", sent).status_code == 303
    return browser
