"""The home page: items that need attention, and links to continue."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.principals import Principal
from accounts.users.services import set_up
from audit.actions import WRITER_HEARTBEAT
from audit.browse.selection import LogCriteria
from audit.log.object_names import visible_names
from audit.models import AuditLog
from audit.sequencing.catching_up import ShowsLog
from audit.services.reading import find_logs
from audit.services.showing import objects_of, set_names, show_newest
from audit.usage.charts import RANGES, chart
from console import actions
from console.home.alerts import AlertGroup, AlertKind
from console.home.checklist import checklist
from console.home.services import Attention, read_attention
from console.usage.services import busiest_rows, log_pages, named_objects
from kernel.clock import process_now
from kernel.pages.views import PageView, known_principal
from kernel.rules import AUTHENTICATED, PUBLIC, Rule

_NEWEST = 10
FIRST_ALERTS = 3  # alerts of each kind; a link leads to the others


class RootView(PageView[Principal]):
    """The site's root URL: redirects to the home page, the sign-in or the set-up."""

    rules = {"GET": Rule(PUBLIC, actions.ROOT_READ)}

    def get(self, request: HttpRequest) -> HttpResponse:
        if known_principal(request) is not None:
            return HttpResponseRedirect(reverse("home"))
        return HttpResponseRedirect(reverse("login" if set_up.is_set_up() else "setup"))


class HomeView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.HOME_READ)}
    section = "home"
    template = "console/home.html"
    parts = frozenset({"home-now"})

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        # Read first, because an altered entry raises an alarm that needs attention.
        entries = [] if self.target == "home-now" else self._newest_entries()
        attention = read_attention(principal=self.principal, at=process_now(), limit=FIRST_ALERTS)
        facts, day = attention.facts, attention.facts.day
        named = [*named_objects(day.by_key, day.by_caller), *objects_of(entries)]
        names = visible_names(self.principal, named)
        steps = checklist(self.principal, facts)
        return self.page(
            at=attention.at,
            facts=facts,
            steps=steps,
            groups=_without_step(attention) if steps else attention.groups,
            log=log_pages(self.principal, facts.span),
            chart=chart(RANGES["24h"], facts.day.steps),
            busiest=busiest_rows(self.principal, day.by_key, day.by_caller, names, day.since),
            entries=set_names(entries, names),
        )

    def _newest_entries(self) -> Sequence[AuditLog]:
        # Exclude heartbeats, which would crowd out the actions of users.
        rows = find_logs(reader=self.principal, criteria=LogCriteria()).exclude(action=WRITER_HEARTBEAT)
        return show_newest(rows, _NEWEST)[0]


def _without_step(attention: Attention) -> list[AlertGroup]:
    """Without the alert that is also a step of the visible checklist."""
    return [group for group in attention.groups if group.kind != AlertKind.SECOND_FACTOR_MISSING]
