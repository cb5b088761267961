"""Pages of one key: overview, versions, activity, and the parts that all its pages share."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.principals import Principal
from audit.browse.filters import operations_query
from audit.browse.selection import LogCriteria
from audit.log.events import Outcome
from audit.models import READ_PERMISSION
from audit.sequencing.catching_up import ShowsLog
from audit.services.reading import find_logs
from audit.services.showing import show_newest, with_names
from audit.usage.charts import RANGES, chart, requested_range
from audit.usage.queries import KeyUse
from audit.usage.sums import HOUR, Span, used_over_time
from audit.views.events import PARTS, EventList
from kernel.clock import process_now
from kernel.http.context import set_audit_object
from kernel.pages.views import PageView, number_in
from kernel.rules import Rule
from keys import actions, capabilities, lifecycle
from keys.explanations import MODE_LABELS, OPERATION_LABELS, decision_word, meaning
from keys.impact import KeyAction
from keys.models import Key
from keys.pages import services as pages
from keys.pages.operations import KEY_OPERATIONS, ROTATE, refusals
from keys.pages.services import MadeVersion
from keys.pages.version_operations import VERSION_OPERATIONS
from keys.reading import services as reading
from keys.references import PREFIX
from keys.rotation.services import succession
from keys.rotation.services.succession import PERMISSIONS
from keys.usage.services import callers, forecasts, usage
from keys.usage.services.usage import Budget

_NEWEST = 5
LIMIT = 50
# The name of each tab in the title of its page. The overview has the key's name alone.
_TABS = {
    "public": "Public key",
    "versions": "Versions",
    "try": "Try it",
    "use": "Use it",
    "access": "Access",
    "activity": "Activity",
    "settings": "Settings",
}


def use_facts(use: KeyUse) -> dict[str, Any]:
    """The context of the templates that show the last use and the callers."""
    return {
        "last_use": use.last,
        "unrecorded_before": use.unrecorded_before,
        "callers": use.callers,
        "denied": use.denials,
    }


def impact_of(principal: Principal, key: Key, action: KeyAction, number: int = 0) -> dict[str, Any]:
    """The context of ``keys/confirm_facts.html``. ``number`` as for ``services.forecast``."""
    return use_facts(callers.use_shown_to(principal, key)) | {
        "forecast": forecasts.forecast(key=key, action=action, number=number)
    }


class KeyView(ShowsLog, PageView[Principal]):
    """Base class for pages of one key. ``show`` adds the context of the header and the tabs."""

    section = "keys"
    tab: ClassVar[str] = ""

    def object_of(self, **kwargs: Any) -> tuple[str, str]:
        """The key's ID, by which its activity is found; the name of a key that is not visible, as the API has it."""
        key = reading.key_named(principal=self.principal, name=kwargs["name"])
        return "key", f"{PREFIX}{kwargs['name']}" if key is None else str(key.id)

    def find(self, name: str) -> Key:
        """Raises NotFound, IntegrityFailed."""
        key = reading.find_key(principal=self.principal, name=name)
        set_audit_object(self.request, "key", str(key.id))
        return key

    @cached_property
    def key(self) -> Key:
        """``find`` of the key in the URL."""
        return self.find(self.kwargs["name"])

    def show(self, key: Key, **context: Any) -> HttpResponse:
        now = process_now()
        at = key.lifecycle_state(now)
        offered = [
            operation
            for operation in KEY_OPERATIONS.values()
            if self.principal.has_permission(operation.permission)
        ]
        possible = [
            operation
            for operation in offered
            if operation.is_possible(at) and (key.may_rotate or operation.slug != ROTATE)
        ]
        means = meaning(at, key.purpose, has_successor=key.successor_id is not None)
        if means and "denied" not in context:
            context["denied"] = callers.denials_shown_to(self.principal, key)
        if means and "decision" not in context:
            context["decision"] = pages.state_decision(principal=self.principal, key=key)
        decision = context.get("decision")
        return self.page(
            key=key,
            at=at,
            tab=self.tab,
            mode_label=MODE_LABELS[key.purpose],
            is_asymmetric=key.kind.is_asymmetric,
            tab_name=_TABS.get(self.tab, ""),
            decided=decision_word(decision.action if decision else "", at.state),
            key_operations=possible,
            dangers=[operation for operation in possible if operation.shows_impact],
            meaning=means,
            denied_url=self._denied_url(key, now) if means else "",
            unavailable=refusals(offered, at),
            operations=[OPERATION_LABELS[word] for word in capabilities.operations(key, at.state)],
            may_edit=self.principal.has_permission("keys.update"),
            **context,
        )

    def _denied_url(self, key: Key, now: datetime) -> str:
        return self.denied_url_since(key, key.deletion_scheduled_at or Span.until(now, HOUR, 24).since)

    def denied_url_since(self, key: Key, since: datetime, **filters: str) -> str:
        """The denied requests that the page counts, in the log; "" for a reader of their own entries only."""
        if self.principal.scope(READ_PERMISSION) != "all":
            return ""
        query = operations_query(since, outcome=Outcome.DENIED.value, **filters)
        return f"{reverse('key-activity', args=[key.name])}?{query}"


def _transit_facts(key: Key) -> dict[str, Any]:
    if key.purpose != "transit":
        return {}
    transit = key.transit.check_mac()
    return {
        "transit": transit,
        "encrypts_from": max(transit.min_encryption_version, key.min_decryption_version),
    }


class OverviewView(KeyView):
    rules = {"GET": Rule("keys.read", actions.KEY_READ)}
    template = "keys/overview.html"
    tab = "overview"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        criteria, chosen = LogCriteria(object_id=str(key.id)), requested_range(request.GET)
        use = callers.use_shown_to(self.principal, key)
        entries, _ = show_newest(find_logs(reader=self.principal, criteria=criteria), _NEWEST)
        return self.show(
            key,
            owner=pages.owner_of(key),
            **_transit_facts(key),
            may_succeed=all(map(self.principal.has_permission, PERMISSIONS))
            and succession.may_be_succeeded(key, key.lifecycle_state(process_now())),
            range=chosen,
            ranges=RANGES.values(),
            chart=chart(chosen, used_over_time(chosen.span(process_now()), [str(key.id)])),
            budget=self._budget(key),
            **use_facts(use),
            entries=with_names(self.principal, entries, {("key", str(key.id)): key.name}),
        )

    def _budget(self, key: Key) -> Budget | None:
        """Other keys cannot encrypt, so their pages save the statement."""
        is_active = key.lifecycle_state(process_now()).state is lifecycle.State.ACTIVE
        return usage.primary_budget(key) if is_active else None


class VersionsView(KeyView):
    rules = {"GET": Rule("keys.read", actions.VERSION_LISTED)}
    template = "keys/versions.html"
    tab = "versions"
    parts = frozenset({"more-versions"})

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        before = number_in(request, "before")
        window = pages.list_made_versions(principal=self.principal, key=key, before=before, limit=LIMIT)
        uses = usage.version_uses(key)
        return self.show(
            key,
            rows=[
                (
                    made,
                    uses.of(made.version.version),
                    usage.budget_of(key, made.version),
                    self._standing(key, made),
                )
                for made in window.versions
            ],
            uses=uses,
            next_before=window.next_before,
            decision=window.decision,
            is_first=before is None,
            may_operate=self.principal.has_permission("keys.disable"),
        )

    def _standing(self, key: Key, made: MadeVersion) -> Mapping[str, Any]:
        """The end of the version's grace period, the word for the decision about it, and its operations."""
        rotation = key.policy.rotation if key.policy else None
        grace_end = rotation.grace_end(made.replaced_at) if rotation and made.replaced_at else None
        return {
            "grace_end": grace_end,
            "reencrypts": bool(rotation and rotation.reencrypt),
            "decided": decision_word(made.decision.action) if made.decision else "",
            "operations": [
                operation
                for operation in VERSION_OPERATIONS.values()
                if self.principal.has_permission(operation.permission) and not operation.refusal(made.version)
            ],
        }


class ActivityView(KeyView):
    rules = {"GET": Rule("audit.read", actions.KEY_READ)}
    template = "keys/activity.html"
    tab = "activity"
    parts = PARTS

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self.find(name)
        url = reverse("key-activity", args=[name])
        names = {("key", str(key.id)): key.name}
        show = partial(self.show, key)
        return EventList(self, url, show, fixed={"object": name}, names=names).respond()
