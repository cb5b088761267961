"""The state of the installation."""

from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from ciphercanary.clock import process_now
from ciphercanary.pages import PageView, Rule
from console import actions
from console.system import read_system


class SystemView(PageView[Principal]):
    rules = {"GET": Rule("system.read", actions.SYSTEM_READ)}
    section = "system"
    template = "console/system.html"
    parts = frozenset({"system-now"})

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page(system=read_system(self.principal, request), at=process_now())
