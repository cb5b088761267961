"""What needs me now, and where to go on."""

from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from audit.selection import LogCriteria
from audit.services import find_logs
from ciphercanary.pages import AUTHENTICATED, PageView, Rule
from console import actions

NEWEST = 10


class HomeView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.HOME_READ)}
    section = "home"
    template = "console/home.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        newest = find_logs(reader=self.principal, criteria=LogCriteria())[:NEWEST]
        return self.page(entries=newest)
