"""Pages that change a key: its settings, and the operations of ``keys.pages.operations``."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from kernel.clock import database_now, process_now
from kernel.errors import DomainError, VersionConflict
from kernel.pages.forms import PageForm, ReasonForm
from kernel.pages.views import number_in
from kernel.rules import Rule
from keys import actions
from keys.deletion.forms import DeletionForm, waiting_days_of
from keys.editing import services as editing
from keys.editing.forms import EditNotesForm, EditSettingsForm
from keys.editing.services import KeyUpdate
from keys.forms import FinalForm
from keys.impact import KeyAction
from keys.lifecycle import State, next_rotation
from keys.models import Key
from keys.models.policies import MAX_DELETION_DAYS
from keys.pages.operations import (
    IMPORTED_ONLY,
    KEY_OPERATIONS,
    PROTECTED,
    ROTATE,
    SCHEDULE_DELETION,
    KeyOperation,
)
from keys.pages.views.detail import KeyView
from keys.policies.forms import suggest_policies
from keys.policies.services.reading import policies_for
from keys.reading import services as reading
from keys.rotation.forms import RotateForm

ORDERED = (
    "reason",
    "expected_version",
    "waiting_days",
    "confirm_name",
)  # the form fields that are passed to the service


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
                editing.update_key(
                    principal=self.principal,
                    key_id=key.id,
                    changes=cast("KeyUpdate", form.changes()),
                    check=lambda stored: form.require_current(vars(stored)),
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
        form.suggest_tags(reading.frequent_tags(principal=self.principal))
        if "policy_id" in form.fields:
            policies = policies_for(principal=self.principal, algorithm=key.algorithm, current=key.policy)
            suggest_policies(form, policies, is_required=settings.CC_REQUIRE_POLICY)
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
    """One operation: its effect, who is affected, and the reason. ``urls`` sets ``operation`` and ``rules``.

    The page of an operation that cannot be undone requires a recent sign-in, even if its service does not.
    """

    operation: ClassVar[KeyOperation] = KEY_OPERATIONS["rotate"]
    template = "keys/operation.html"
    draft_fields = ("reason", "expected_version", "waiting_days")
    parts = frozenset({"deletion-effect"})

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self._find_recently_known(name)
        impact = {} if self.is_part else self._impact(key)
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
            self.principal.require_recent_sign_in(database_now())
        return self.find(name)

    def _impact(self, key: Key) -> dict[str, Any]:
        """The use of the key, and what the operation would have denied; empty if it does not affect callers."""
        if not self.operation.shows_impact:
            return {}
        impact = self.impact_of(key, KeyAction(self.operation.slug))
        is_active = key.lifecycle_state(process_now()).state is State.ACTIVE
        return {**impact, "in_use": is_active and impact["forecast"].is_recent}

    def _form(self, key: Key, impact: dict[str, Any], data: QueryDict | None = None) -> PageForm:
        if self.operation.is_final:
            anyway = self.operation.anyway if impact.get("in_use") else ""
            if self.operation.slug == SCHEDULE_DELETION:
                initial = {"waiting_days": number_in(self.request, "waiting_days") or MAX_DELETION_DAYS}
                return DeletionForm(data, key=key, anyway=anyway, initial=initial)
            return FinalForm(data, key_name=key.name, anyway=anyway)
        if self.operation.slug == "rotate":
            return RotateForm(data, initial={"expected_version": key.primary_version})
        return ReasonForm(data)

    def _show_form(
        self, key: Key, form: PageForm, impact: dict[str, Any], status: int = HTTPStatus.OK
    ) -> HttpResponse:
        now, days = process_now(), waiting_days_of(form)
        return self.show(
            key,
            form=form,
            operation=self.operation,
            question=self.operation.question_about(key.name),
            impossible=self.operation.refusal(key.lifecycle_state(now)) or self._protection(key),
            waiting_days=days,
            ends_at=now + timedelta(days=days),
            rotates_next=next_rotation(key.effective_rotation_days, now),
            status=status,
            **impact,
        )

    def _protection(self, key: Key) -> str:
        if self.operation.slug == ROTATE and not key.may_rotate:
            return IMPORTED_ONLY
        is_protected = self.operation.slug == SCHEDULE_DELETION and key.deletion_protection
        return PROTECTED if is_protected else ""
