"""Pages that change a key: its settings, and the operations of ``keys.pages.operations``."""

from typing import Any, ClassVar, Final, cast

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.urls import reverse

from accounts.principals import Principal
from audit.sequencing.catching_up import catch_up_with_request
from kernel.clock import process_now
from kernel.pages.form_views import FormView
from kernel.pages.operations import OperationView, Subject
from kernel.pages.views import number_in
from kernel.rules import Rule
from keys import actions
from keys.editing import services as editing
from keys.editing.forms import EditNotesForm, EditSettingsForm
from keys.editing.services import KeyUpdate
from keys.explanations import decision_word, meaning
from keys.impact import KeyAction
from keys.lifecycle import State, next_rotation
from keys.models import Key
from keys.models.policies import MAX_DELETION_DAYS
from keys.pages import services as pages
from keys.pages.views.detail import KeyView, impact_of
from keys.policies.forms import suggest_policies
from keys.policies.services.reading import policies_for
from keys.reading import services as reading


class SettingsView(KeyView, FormView[Principal, EditSettingsForm | EditNotesForm]):
    """A form for the settings of a key. ``after`` is the page to redirect to."""

    rules = {
        "GET": Rule("keys.read", actions.KEY_READ),
        "POST": Rule("keys.update", actions.KEY_UPDATED),
    }
    template = "keys/settings.html"
    tab = "settings"
    form_class: type[EditSettingsForm | EditNotesForm] = EditSettingsForm
    after: ClassVar[str] = "key-settings"
    draft_fields = tuple(form_class.base_fields)

    def form(self, data: QueryDict | None = None) -> EditSettingsForm | EditNotesForm:
        key = self.key
        form = self.form_class(
            data, initial={each: getattr(key, each) for each in self.form_class.base_fields}
        )
        form.suggest_tags(reading.frequent_tags(principal=self.principal))
        if "policy_id" in form.fields:
            policies = policies_for(principal=self.principal, algorithm=key.algorithm, current=key.policy)
            suggest_policies(form, policies, is_required=settings.CC_REQUIRE_POLICY)
        return form

    def perform(self, form: EditSettingsForm | EditNotesForm) -> HttpResponse:
        name = self.key.name
        editing.update_key(
            principal=self.principal,
            key_id=self.key.id,
            changes=cast("KeyUpdate", form.changes()),
            check=lambda stored: form.require_current(vars(stored)),
        )
        return self.done(reverse(self.after, args=[name]), f"{name} saved.")

    def show_form(self, form: EditSettingsForm | EditNotesForm, **context: Any) -> HttpResponse:
        return self.show(self.key, form=form, owner=pages.owner_of(self.key), **context)


class NotesView(SettingsView):
    """Edits the description and tags from the overview."""

    rules = {
        "GET": Rule("keys.update", actions.KEY_UPDATED),
        "POST": Rule("keys.update", actions.KEY_UPDATED),
    }
    template = "keys/notes.html"
    form_class = EditNotesForm
    after = "key"


def _facts(view: OperationView, found: Key) -> dict[str, Any]:
    operation, now = view.operation, process_now()
    at = found.lifecycle_state(now)
    facts = {
        "key": found,
        "at": at,
        "waiting_days": number_in(view.request, "waiting_days") or MAX_DELETION_DAYS,
        "rotates_next": next_rotation(found.effective_rotation_days, now),
    }
    if operation.refusal(found):
        facts["meaning"] = meaning(at, found.purpose, has_successor=found.successor_id is not None)
    if operation.slug == "enable":
        facts["decision"] = decision = pages.state_decision(principal=view.principal, key=found)
        facts["decided"] = decision_word(decision.action if decision else "", at.state)
    if operation.shows_impact and not view.is_part:
        impact = impact_of(view.principal, found, KeyAction(operation.slug))
        in_use = at.state is State.ACTIVE and impact["forecast"].is_recent
        # Of a key in use, the safe operation is the primary button.
        button = ("danger" if operation.is_danger else "primary danger") if in_use else operation.button
        facts |= impact | {"in_use": in_use, "button": button}
    return facts


KEY: Final[Subject[Key]] = Subject(
    url_name="key-{}",
    section="keys",
    title="Keys",
    find=reading.find_key,
    name=lambda key: key.name,
    arguments=lambda key: {"key_id": key.id},
    page=lambda _, key: reverse("key", args=[key.name]),
    object_type="key",
    object_id=lambda key: key.id,
    find_named=reading.key_named,
    facts=_facts,
    details="keys/operation.html",
    parts=frozenset({"deletion-effect"}),
    # The input of Try it exists in the browser only.
    offered_at=lambda key: [reverse(name, args=[key.name]) for name in ("key-try", "key-versions")],
    catch_up=catch_up_with_request,
)
