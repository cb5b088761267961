"""The page of the system's state."""

from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from audit.models import RESOLVE_PERMISSION, AuditAlarm
from audit.sequencing.catching_up import ShowsLog
from audit.services.alarms import find_alarms
from console import actions
from console.key_encryption.services import PERMISSION as MANAGE_PERMISSION
from console.system.backups import PERMISSION as BACKUPS_PERMISSION
from console.system.backups import read_backups
from console.system.services import read_system
from kernel import installation
from kernel.clock import process_now
from kernel.pages.views import PageView, number_in
from kernel.rules import Rule

_LISTED = 10  # open alarms; a link leads to the others
_COMMANDS: Final = [
    (
        "Every day: back up the database",
        f"{installation.MANAGE} backup /srv/backups/ciphercanary-$(date -u +%Y-%m-%d)",
    ),
    ("Every month: run a restore drill", f"{installation.MANAGE} restore_drill"),
    (
        "After each rotation: copy the key-encryption keys",
        f"{installation.MANAGE} backup_kek /media/offline/ciphercanary-kek",
    ),
    ("Then: check the copy", f"{installation.MANAGE} check_kek_backup /media/offline/ciphercanary-kek"),
]


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


class BackupListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule(BACKUPS_PERMISSION, actions.BACKUP_LISTED)}
    section = "system"
    template = "console/backups.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        before = number_in(request, "before")
        return self.page(
            backups=read_backups(principal=self.principal, before=before),
            before=before,
            commands=_COMMANDS,
        )
