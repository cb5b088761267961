"""One key: what it is, its versions, and what is shown around each of its pages."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from accounts.principals import Principal
from audit.selection import LogCriteria
from audit.services import find_logs
from audit.services.usage import last_use
from ciphercanary.clock import process_now
from ciphercanary.pages import PageView, Rule
from keys import actions, lifecycle, services
from keys.acts import ACTS
from keys.models import Key

NEWEST = 5


class KeyView(PageView[Principal]):
    """A page of one key: ``show`` adds what its head and its tabs need."""

    section = "keys"
    concerns = ("key", "name")
    tab = ""

    def find(self, name: str) -> Key:
        """Raises NotFound, IntegrityFailed."""
        key = services.find_key(principal=self.principal, name=name)
        self.concern("key", str(key.id))
        return key

    def show(self, key: Key, **context: Any) -> HttpResponse:
        at = key.standing(process_now())
        offered = [act for act in ACTS.values() if self.principal.has_permission(act.permission)]
        return self.page(
            key=key,
            at=at,
            tab=self.tab,
            acts=[act for act in offered if act.is_possible(at)],
            operations=lifecycle.operations(at.state),
            **context,
        )


class OverviewView(KeyView):
    rules = {"GET": Rule("keys.read", actions.KEY_READ)}
    template = "keys/overview.html"
    tab = "overview"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self.find(name)
        criteria = LogCriteria(object_id=str(key.id))
        entries = find_logs(reader=self.principal, criteria=criteria)[:NEWEST]
        return self.show(key, last_use=last_use(key.id), entries=entries)


class VersionsView(KeyView):
    rules = {"GET": Rule("keys.read", actions.VERSION_LISTED)}
    template = "keys/versions.html"
    tab = "versions"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self.find(name)
        return self.show(key, versions=services.list_versions(principal=self.principal, key_id=key.id))
