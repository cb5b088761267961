"""The page of the system's state."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from audit.models import RESOLVE_PERMISSION, AuditAlarm
from audit.sequencing.catching_up import ShowsLog
from audit.services.alarms import find_alarms
from console import actions
from console.key_encryption.services import PERMISSION as MANAGE_PERMISSION
from console.system.services import read_system
from kernel.clock import process_now
from kernel.pages.views import PageView
from kernel.rules import Rule

_LISTED = 10  # open alarms; a link leads to the others


class SystemView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("system.read", actions.SYSTEM_READ)}
    section = "system"
    template = "console/system.html"
    parts = frozenset({"system-now"})

    def get(self, request: HttpRequest) -> HttpResponse:
        system = read_system(self.principal, request)
        return self.page(
            system=system,
            alarms=self._open_alarms() if system.alarms else (),
            may_resolve=self.principal.has_permission(RESOLVE_PERMISSION),
            may_manage=self.principal.has_permission(MANAGE_PERMISSION),
            at=process_now(),
        )

    def _open_alarms(self) -> Sequence[AuditAlarm]:
        return find_alarms(principal=self.principal, status="open")[:_LISTED].found()
