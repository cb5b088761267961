"""Pages that change one version of a key, and the minimum version for decryption."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from kernel.clock import database_now, process_now
from kernel.databases.rows import first_of
from kernel.errors import DomainError
from kernel.pages.forms import PageForm, ReasonForm
from kernel.pages.views import number_in
from kernel.rules import Rule
from keys import actions
from keys.deletion.forms import DeletionForm, waiting_days_of
from keys.editing import services
from keys.editing.forms import MinimumVersionForm
from keys.impact import KeyAction
from keys.models import Key, KeyVersion
from keys.pages.version_operations import VERSION_OPERATIONS, VersionOperation
from keys.pages.views.detail import KeyView

ORDERED = ("reason", "waiting_days", "confirm_name")  # the form fields that are passed to the service


class VersionView(KeyView):
    """One operation on a version. ``urls`` sets ``operation`` and ``rules``."""

    template = "keys/version_operation.html"
    tab = "versions"
    operation: ClassVar[VersionOperation] = VERSION_OPERATIONS["disable"]
    draft_fields = ("reason", "waiting_days")

    def get(self, request: HttpRequest, name: str, version: int) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key, row = self._find_version(name, version)
        return self._show_form(key, row, self.show_draft(self._form(key)))

    def post(self, request: HttpRequest, name: str, version: int) -> HttpResponse:
        key, row = self._find_version(name, version)
        form = self._form(key, request.POST)
        if form.is_valid():
            order = {each: form.cleaned_data[each] for each in ORDERED if each in form.cleaned_data}
            try:
                self.operation.service(principal=self.principal, key_id=key.id, version=version, **order)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                done = f"Version {version} of {name} {self.operation.done}."
                return self.done(reverse("key-versions", args=[name]), done)
        return self._show_form(key, row, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _find_version(self, name: str, number: int) -> tuple[Key, KeyVersion]:
        if self.operation.is_final:
            self.principal.require_recent_sign_in(database_now())
        key = self.find(name)
        row = first_of(key.versions.filter(version=number))
        return key, row

    def _form(self, key: Key, data: Any = None) -> PageForm:
        return DeletionForm(data, key=key) if self.operation.is_final else ReasonForm(data)

    def _show_form(
        self, key: Key, row: KeyVersion, form: PageForm, status: int = HTTPStatus.OK
    ) -> HttpResponse:
        action, days = self.operation.shows_impact_of, waiting_days_of(form)
        impact = self.impact_of(key, action, row.version) if action else {}
        return self.page(
            key=key,
            version=row,
            operation=self.operation,
            question=self.operation.question_about(key, row),
            impossible=self.operation.refusal(key, row),
            waiting_days=days,
            ends_at=process_now() + timedelta(days=days),
            form=form,
            status=status,
            **impact,
        )


class MinimumVersionView(KeyView):
    """Change the minimum version for decryption. The URL has the new one, so that its impact is shown before."""

    rules = {method: Rule("keys.update", actions.KEY_UPDATED) for method in ("GET", "POST")}
    template = "keys/minimum_version.html"
    tab = "versions"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        key, number = self._asked(request, name)
        return self._show_form(key, number, MinimumVersionForm(key=key))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        key, number = self._asked(request, name)
        form = MinimumVersionForm(request.POST, key=key)
        if form.is_valid():
            try:
                services.update_key(
                    principal=self.principal, key_id=key.id, changes={"min_decryption_version": number}
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                done = f"The minimum version of {name} is now {number}."
                return self.done(reverse("key-versions", args=[name]), done)
        return self._show_form(key, number, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _asked(self, request: HttpRequest, name: str) -> tuple[Key, int]:
        """Raises RecentAuthRequired."""
        self.principal.require_recent_sign_in(database_now())
        key = self.find(name)
        return key, number_in(request, "version") or key.min_decryption_version

    def _show_form(self, key: Key, number: int, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        impossible, impact = "", {}
        if not 1 <= number <= key.primary_version:
            impossible = f"The minimum version must be 1 to {key.primary_version}."
        elif number == key.min_decryption_version:
            impossible = f"The minimum version is already {number}."
        elif number > key.min_decryption_version:
            impact = self.impact_of(key, KeyAction.RAISE_MINIMUM, number)
        return self.page(key=key, number=number, form=form, impossible=impossible, status=status, **impact)
