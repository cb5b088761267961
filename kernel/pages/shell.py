"""Context of every page: navigation for this role, theme, and when the session ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.messages.storage.session import SessionStorage
from django.http import HttpRequest, HttpResponse

from kernel import __version__
from kernel.clock import process_now
from kernel.pages.views import known_principal
from kernel.rules import AUTHENTICATED, Access, Caller

_THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"
SHORTCUTS_COOKIE = "shortcuts"
_YEAR = 365 * 24 * 3600
KEPT = 10  # messages: a client that never opens a page would otherwise fill the session


@dataclass(frozen=True, slots=True)
class Destination:
    """A navigation entry: the name of its URL, its label, its permission, and its key after ``g``."""

    name: str
    label: str
    permission: str | Access
    key: str

    def is_for(self, caller: Caller) -> bool:
        if caller.must_enrol:
            return False
        return isinstance(self.permission, Access) or caller.has_permission(self.permission)


DESTINATIONS = (
    Destination("home", "Home", AUTHENTICATED, "h"),
    Destination("keys", "Keys", "keys.read", "k"),
    Destination("policies", "Policies", "policies.read", "o"),
    Destination("audit", "Audit", "audit.read", "a"),
    Destination("jobs", "Jobs", "operations.read", "j"),
    Destination("usage", "Usage", "keys.read", "u"),
    Destination("users", "Users", "users.read", "p"),
    Destination("system", "System", "system.read", "s"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor. ``layout`` is the template that a page extends; ``PageView.page`` replaces it for htmx."""
    caller = known_principal(request)
    return {
        "layout": "layouts/full.html" if caller else "layouts/bare.html",
        "principal": caller,
        "navigation": [destination for destination in DESTINATIONS if destination.is_for(caller)]
        if caller
        else [],
        "theme": theme_of(request),
        "has_shortcuts": has_shortcuts(request),
        "session_seconds": request.session.get_expiry_age() if caller else 0,
        "product_version": __version__,
        "now": process_now(),
    }


def keep_choice(response: HttpResponse, name: str, value: str) -> None:
    """Store a choice of appearance in this browser for a year."""
    response.set_cookie(name, value, max_age=_YEAR, secure=settings.CC_TLS, httponly=True, samesite="Lax")


def theme_of(request: HttpRequest) -> str:
    asked = request.COOKIES.get(THEME_COOKIE, "")
    return asked if asked in _THEMES else _THEMES[0]


def has_shortcuts(request: HttpRequest) -> bool:
    return request.COOKIES.get(SHORTCUTS_COOKIE) != "off"


class NewestMessages(SessionStorage):
    """``MESSAGE_STORAGE``: one-time messages, the latest ``KEPT`` that no page has shown yet.

    They are kept in the session instead of a cookie because they name keys.
    """

    def serialize_messages(self, messages: Sequence[Any]) -> str:
        return super().serialize_messages(messages[-KEPT:])
