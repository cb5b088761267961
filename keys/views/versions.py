"""Pages that disable and enable one version of a key."""

from http import HTTPStatus
from typing import ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from kernel.errors import DomainError, NotFound
from kernel.pages import PageForm, ReasonForm, Rule
from keys import actions, services
from keys.impact import Act
from keys.lifecycle import VersionState
from keys.models import Key, KeyVersion
from keys.views.detail import KeyView


class VersionView(KeyView):
    """Enables a version if ``enables`` is true, and disables it otherwise."""

    template = "keys/version_operation.html"
    tab = "versions"
    enables: ClassVar[bool]
    draft_fields = ("reason",)

    def get(self, request: HttpRequest, name: str, version: int) -> HttpResponse:  # noqa: ARG002 - Django's signature
        key = self.find(name)
        return self._show_form(key, self._find_version(key, version), self.show_draft(ReasonForm()))

    def post(self, request: HttpRequest, name: str, version: int) -> HttpResponse:
        key = self.find(name)
        row = self._find_version(key, version)
        form = ReasonForm(request.POST)
        if form.is_valid():
            change = services.enable_version if self.enables else services.disable_version
            try:
                change(principal=self.principal, key_id=key.id, version=version, **form.cleaned_data)
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                word = "enabled" if self.enables else "disabled"
                return self.done(reverse("key-versions", args=[name]), f"Version {version} of {name} {word}.")
        return self._show_form(key, row, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _find_version(self, key: Key, number: int) -> KeyVersion:
        rows = services.list_versions(principal=self.principal, key_id=key.id)
        row = rows.filter(version=number).first()
        if row is None:
            raise NotFound
        return row

    def _show_form(
        self, key: Key, row: KeyVersion, form: PageForm, status: int = HTTPStatus.OK
    ) -> HttpResponse:
        is_enabled = row.state == VersionState.ENABLED
        if self.enables is is_enabled:
            impossible = f"Version {row.version} is already {'enabled' if is_enabled else 'disabled'}."
        elif row.is_primary:
            impossible = "You cannot disable the primary version. Rotate the key first, or disable the key."
        else:
            impossible = ""
        impact = {} if self.enables else self.impact_of(key, Act.DISABLE_VERSION, row.version)
        return self.page(
            key=key,
            version=row,
            label="Enable" if self.enables else "Disable",
            enables=self.enables,
            impossible=impossible,
            form=form,
            status=status,
            **impact,
        )


class DisableVersionView(VersionView):
    rules = {
        "GET": Rule("keys.disable", actions.VERSION_DISABLED),
        "POST": Rule("keys.disable", actions.VERSION_DISABLED),
    }
    enables = False


class EnableVersionView(VersionView):
    rules = {
        "GET": Rule("keys.disable", actions.VERSION_ENABLED),
        "POST": Rule("keys.disable", actions.VERSION_ENABLED),
    }
    enables = True
