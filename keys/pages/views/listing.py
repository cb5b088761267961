"""The list of keys, and creating a key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property
from django_htmx.http import push_url, trigger_client_event

from accounts.actions import APPEARANCE_CHANGED
from accounts.errors import NameTaken
from accounts.principals import Principal
from audit.sequencing.catching_up import ShowsLog
from kernel.clock import process_now
from kernel.errors import DomainError, Invalid
from kernel.labels import check_name
from kernel.pages.curl import curl_of
from kernel.pages.form_views import FormView
from kernel.pages.views import DIALOG, PageView, next_url, shown_url
from kernel.rules import Rule
from keys import actions
from keys.creation import services as creation
from keys.creation.forms import KeyForm
from keys.creation.plans import plan_key
from keys.explanations import algorithm_choices
from keys.lifecycle import Status
from keys.models import EncryptionPolicy, Key
from keys.models.selection import Finding
from keys.pages.columns import ShownColumns, keep_columns
from keys.pages.views.bulk import BULK_ACTS
from keys.pages.views.saved import listed_views
from keys.policies.forms import suggest_policies
from keys.policies.services.reading import policies_for
from keys.reading import services as reading
from keys.reading.forms import FINDINGS, SCHEDULED, read_list

_LIMIT = 50
_LISTED_VIEWS = 10


@dataclass(frozen=True, slots=True)
class _Saved:
    """A frequently used view of the list: one filter, with its label."""

    label: str
    parameter: str
    value: str


# Findings of keys scheduled for deletion have no view: alerts lead to them, and the view of this state includes them.
_LISTED = (Finding.DENIED, Finding.OVERDUE, Finding.EXPIRING, Finding.UNUSED)
_SAVED = (
    *(_Saved(FINDINGS[finding], "finding", finding) for finding in _LISTED),
    _Saved("Disabled", "status", Status.DISABLED),
    _Saved("Expired", "status", Status.EXPIRED),
    _Saved(SCHEDULED, "status", Status.SCHEDULED),
)


class KeyListView(ShowsLog, PageView[Principal]):
    rules = {"GET": Rule("keys.read", actions.KEY_LISTED)}
    section = "keys"
    template = "keys/list.html"
    parts = frozenset({"key-results", "more-keys"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = read_list(request.GET)
        after, shown = _after(request.GET), ShownColumns(request)
        found = reading.list_keys_after(
            principal=self.principal,
            only=form.selection(),
            after=after,
            limit=_LIMIT,
            relations=shown.relations,
        )
        acts = [act for act in BULK_ACTS if self.principal.has_permission(act.permission)]
        response = self.page(
            form=form,
            shown=shown,
            rows=shown.rows(found.keys),
            address=form.address(reverse("keys")),
            next_after=found.next_after,
            is_first=after is None,
            ignored=form.ignored,
            chips=form.chips(),
            list_url=reverse("keys"),
            saved=[(each, form.given.get(each.parameter) == each.value) for each in _SAVED],
            own_views=[]
            if self.target == "more-keys"
            else listed_views(self.principal, form.parameters(), _LISTED_VIEWS),
            ordering=form.ordering,
            tags=[] if self.is_part else reading.frequent_tags(principal=self.principal),
            policies=[] if self.is_part else policies_for(principal=self.principal, limit=50),
            may_create=self.principal.has_permission("keys.create"),
            may_choose=bool(acts),
            acts=acts,
            all_selected=request.GET.get("select") == "all",
            create_call=curl_of("/api/v1/keys", {"name": "payments-db", "algorithm": "aes-256"}),
        )
        if self.target == "key-results":
            push_url(response, form.address(reverse("keys")))
        return response


class KeyColumnsView(PageView[Principal]):
    """Stores the chosen columns in a cookie, because they depend on the width of the screen."""

    rules = {"POST": Rule("keys.read", APPEARANCE_CHANGED)}

    def post(self, request: HttpRequest) -> HttpResponse:
        response = self.done(next_url(request, reverse("keys")))
        keep_columns(response, request.POST.getlist("column"))
        return response


class NewKeyView(FormView[Principal, KeyForm]):
    """A new key. If it is created in the dialog above the list, it becomes the first row of the list."""

    rules = {
        "GET": Rule("keys.create", actions.KEY_CREATED),
        "POST": Rule("keys.create", actions.KEY_CREATED),
    }
    section = "keys"
    template = "keys/new.html"
    parts = frozenset({"name-note", "key-summary"})
    draft_fields = tuple(KeyForm.base_fields)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - Django's signature
        form = self.show_draft(self.form())
        asked = _key_form(self.policies, form.data or request.GET)
        asked.is_valid()
        note = self._note(asked.data.get("name", ""))
        return self.show_form(form, typed=asked.cleaned_data, note=note)

    @cached_property
    def policies(self) -> list[EncryptionPolicy]:
        return policies_for(principal=self.principal)

    def form(self, data: QueryDict | None = None) -> KeyForm:
        return _key_form(self.policies, data)

    def perform(self, form: KeyForm) -> Key:
        return creation.create_key(principal=self.principal, **form.cleaned_data)

    def again(self, form: KeyForm, refusal: DomainError | None = None, **context: Any) -> HttpResponse:
        taken = form.cleaned_data["name"] if isinstance(refusal, NameTaken) else ""
        return super().again(form, refusal, existing=self._visible(taken), **context)

    def show_form(
        self, form: KeyForm, *, typed: Mapping[str, Any] | None = None, **context: Any
    ) -> HttpResponse:
        choices, typed = algorithm_choices(), form.cleaned_data if typed is None else typed
        chosen = next((policy for policy in self.policies if policy.id == typed.get("policy_id")), None)
        if not self.is_part:
            form.suggest_tags(reading.frequent_tags(principal=self.principal))
        return self.page(
            form=form,
            algorithms=[(radio, choices[radio.data["value"]]) for radio in form["algorithm"]],
            more=[form[name] for name in form.more_options],
            typed=typed,
            has_policies=bool(self.policies),
            requires_policy=settings.CC_REQUIRE_POLICY,
            plan=plan_key(typed, chosen, process_now()),
            **context,
        )

    def respond(self, result: Key) -> HttpResponse:
        url = reverse("key", args=[result.name])
        if not self._is_over_list():
            return self.done(url, f"Key {result.name} created.")
        shown = ShownColumns(self.request)
        response = self.page(
            template="keys/created.html",
            shown=shown,
            row=shown.rows([result])[0],
            may_choose=self.principal.has_permission("keys.rotate"),
        )
        return trigger_client_event(response, "cc:close")

    def _visible(self, name: str) -> Key | None:
        """The key with this name, if the principal may see it."""
        return reading.key_named(principal=self.principal, name=name) if name else None

    def _is_over_list(self) -> bool:
        """Whether the form is shown in the dialog above the list of keys."""
        return self.target == DIALOG and shown_url(self.request).path == reverse("keys")

    def _note(self, name: str) -> tuple[str, str]:
        """The note about a name: a word for its kind, and a sentence."""
        if not name:
            return ("", "")
        try:
            check_name(name)
        except Invalid as refusal:
            return ("bad", refusal.fields["name"][0])
        # Check visible keys only: this check is not recorded, so testing many names would reveal keys of other users.
        if self._visible(name) is not None:
            return ("bad", f"A key named {name} already exists.")
        return ("free", f"No key that you can see is named {name}.")


def _key_form(policies: list[EncryptionPolicy], data: Mapping[str, Any] | None = None) -> KeyForm:
    form = KeyForm(data)
    suggest_policies(form, policies, is_required=settings.CC_REQUIRE_POLICY)
    return form


def _after(asked: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(asked["after"])
    except (KeyError, ValueError):
        return None
