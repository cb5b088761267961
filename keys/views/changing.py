"""Pages that change a key: its settings, and the operations of ``keys.operations``."""

from http import HTTPStatus
from typing import Any, ClassVar, cast

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from kernel.clock import database_now, process_now
from kernel.errors import DomainError
from kernel.pages import PageForm, ReasonForm, Rule
from keys import actions, services
from keys.errors import VersionConflict
from keys.forms import EditNotesForm, EditSettingsForm, FinalForm, RotateForm
from keys.impact import Act
from keys.lifecycle import State, next_rotation
from keys.models import Key
from keys.operations import KEY_OPERATIONS, KeyOperation
from keys.services import KeyUpdate
from keys.views.detail import KeyView

ORDERED = ("reason", "expected_version")  # the form fields that are passed to the service


class SettingsView(KeyView):
    """A form for the settings of a key. ``after`` is the page to redirect to."""

    rules = {
        "GET": Rule("keys.read", actions.KEY_READ),
        "POST": Rule("keys.update", actions.KEY_UPDATED),
    }
    template = "keys/settings.html"
    tab = "settings"
    form: ClassVar[type[EditSettingsForm | EditNotesForm]] = EditSettingsForm
    after: ClassVar[str] = "key-settings"
    draft_fields = tuple(form.base_fields)

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self.find(name)
        return self.show(key, form=self.show_draft(self._form(key)))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        form = self._form(key, request.POST)
        if form.is_valid():
            try:
                services.update_key(
                    principal=self.principal,
                    key_id=key.id,
                    changes=cast("KeyUpdate", form.changes()),
                    only_if=lambda stored: not form.is_outdated(vars(stored)),
                )
            except VersionConflict as conflict:
                form.show_conflicts(request, conflict, vars(self.find(name)))
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse(self.after, args=[name]), f"{name} saved.")
        return self.show(key, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)

    def _form(self, key: Key, data: QueryDict | None = None) -> EditSettingsForm | EditNotesForm:
        form = self.form(data, initial={each: getattr(key, each) for each in self.form.base_fields})
        form.suggest_tags(services.frequent_tags(principal=self.principal))
        return form


class NotesView(SettingsView):
    """Edits the description and tags from the overview."""

    rules = {
        "GET": Rule("keys.update", actions.KEY_UPDATED),
        "POST": Rule("keys.update", actions.KEY_UPDATED),
    }
    template = "keys/notes.html"
    form = EditNotesForm
    after = "key"


class KeyOperationView(KeyView):
    """One operation: its effect, who is affected, and the reason. ``page_urls`` sets ``operation`` and ``rules``.

    The page of an operation that cannot be undone requires a recent sign-in, even if its service does not.
    """

    operation: ClassVar[KeyOperation] = KEY_OPERATIONS["rotate"]
    template = "keys/operation.html"
    draft_fields = ORDERED

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self._find_recently_known(name)
        impact = self._impact(key)
        return self._show_form(key, self.show_draft(self._form(key, impact)), impact)

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self._find_recently_known(name)
        impact = self._impact(key)
        form = self._form(key, impact, request.POST)
        if form.is_valid():
            order = {each: form.cleaned_data[each] for each in ORDERED if each in form.cleaned_data}
            try:
                self.operation.service(principal=self.principal, key_id=key.id, **order)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key", args=[name]), f"{name} {self.operation.done}.")
        return self._show_form(key, form, impact, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _find_recently_known(self, name: str) -> Key:
        if self.operation.is_final:
            self.principal.require_recent_log_in(database_now())
        return self.find(name)

    def _impact(self, key: Key) -> dict[str, Any]:
        """The use of the key, and what the operation would have denied; empty if it does not affect callers."""
        if not self.operation.shows_impact:
            return {}
        impact = self.impact_of(key, Act(self.operation.slug))
        is_active = key.lifecycle_state(process_now()).state is State.ACTIVE
        return {**impact, "in_use": is_active and impact["forecast"].is_recent}

    def _form(self, key: Key, impact: dict[str, Any], data: QueryDict | None = None) -> PageForm:
        if self.operation.is_final:
            return FinalForm(
                data, key_name=key.name, anyway=self.operation.anyway if impact.get("in_use") else ""
            )
        if self.operation.slug == "rotate":
            return RotateForm(data, initial={"expected_version": key.primary_version})
        return ReasonForm(data)

    def _show_form(
        self, key: Key, form: PageForm, impact: dict[str, Any], status: int = HTTPStatus.OK
    ) -> HttpResponse:
        now = process_now()
        return self.show(
            key,
            form=form,
            operation=self.operation,
            question=self.operation.question_about(key.name),
            impossible=self.operation.refusal(key.lifecycle_state(now)),
            rotates_next=next_rotation(key.effective_rotation_days, now),
            status=status,
            **impact,
        )
