"""Changing a key: its settings, and the acts of ``keys.acts``."""

from http import HTTPStatus
from typing import ClassVar, cast

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from audit.services.usage import callers_of, last_use
from ciphercanary.clock import database_now
from ciphercanary.errors import DomainError
from ciphercanary.pages import PageForm, ReasonForm, Rule
from keys import actions, services
from keys.acts import ACTS, Act
from keys.forms import KeySettingsForm, NamedReasonForm
from keys.models import Key
from keys.services import KeyUpdate
from keys.views.detail import KeyView

SETTINGS = ("description", "tags", "rotation_period_days", "expires_at")


class SettingsView(KeyView):
    rules = {
        "GET": Rule("keys.read", actions.KEY_READ),
        "POST": Rule("keys.update", actions.KEY_UPDATED),
    }
    template = "keys/settings.html"
    tab = "settings"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self.find(name)
        return self.show(key, form=_settings_form(key))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        form = _settings_form(key, request.POST)
        if form.is_valid():
            # What was not touched stays as it is, whatever somebody else has made of it meanwhile.
            changes = cast("KeyUpdate", {each: form.cleaned_data[each] for each in form.changed_data})
            try:
                services.update_key(principal=self.principal, key_id=key.id, changes=changes)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key-settings", args=[name]), "Saved.")
        return self.show(key, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _settings_form(key: Key, data: QueryDict | None = None) -> KeySettingsForm:
    return KeySettingsForm(data, initial={each: getattr(key, each) for each in SETTINGS})


class ActView(KeyView):
    """One act: what it will do, to whom it matters, why. ``page_urls`` gives each its ``act`` and ``rules``."""

    act: ClassVar[Act] = ACTS["rotate"]
    template = "keys/act.html"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self._ask(self.find(name), self._form(name))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key = self.find(name)
        form = self._form(name, request.POST)
        if form.is_valid():
            try:
                self.act.service(self.principal, key.id, form.cleaned_data["reason"])
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key", args=[name]), f"{name} {self.act.done}.")
        return self._ask(key, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _form(self, name: str, data: QueryDict | None = None) -> PageForm:
        return NamedReasonForm(data, key_name=name) if self.act.is_final else ReasonForm(data)

    def _ask(self, key: Key, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        if self.act.is_final:
            self.principal.require_recent_log_in(database_now())
        impact = (
            {"last_use": last_use(key.id), "callers": callers_of(key.id)} if self.act.shows_impact else {}
        )
        return self.show(key, form=form, act=self.act, status=status, **impact)
