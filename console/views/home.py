"""The home page: items that need attention, and links to continue."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import services as accounts
from accounts.principals import Principal
from audit.actions import WRITER_HEARTBEAT
from audit.browse.selection import LogCriteria
from audit.models import AuditLog
from audit.services import find_logs
from audit.services.showing import show_entries, with_names
from console import actions
from console.attention import items_of, read_home_data
from console.checklist import checklist
from kernel.clock import process_now
from kernel.pages import AUTHENTICATED, PUBLIC, PageView, Rule
from kernel.pages.views import known_principal

NEWEST = 10


class RootView(PageView[Principal]):
    """The site's root URL: redirects to the home page, the sign-in or the set-up."""

    rules = {"GET": Rule(PUBLIC, actions.ROOT_READ)}

    def get(self, request: HttpRequest) -> HttpResponse:
        if known_principal(request) is not None:
            return HttpResponseRedirect(reverse("home"))
        return HttpResponseRedirect(reverse("login" if accounts.is_set_up() else "setup"))


class HomeView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.HOME_READ)}
    section = "home"
    template = "console/home.html"
    parts = frozenset({"home-now"})

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        # Read first, because an altered entry raises an alarm that needs attention.
        entries = [] if self.target == "home-now" else self._newest_entries()
        now = read_home_data(self.principal, process_now())
        steps = checklist(now)
        return self.page(
            seen=now,
            steps=steps,
            items=items_of(now, has_checklist=bool(steps)),
            entries=entries,
        )

    def _newest_entries(self) -> Sequence[AuditLog]:
        # Exclude heartbeats, which would crowd out the actions of users.
        rows = find_logs(reader=self.principal, criteria=LogCriteria()).exclude(action=WRITER_HEARTBEAT)
        return with_names(self.principal, show_entries(rows[:NEWEST]))
