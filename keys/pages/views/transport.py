"""The pages that import and export keys."""

from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.crypto.encoding import encode_base64
from kernel.errors import DomainError
from kernel.http.private_connections import is_private
from kernel.pages import once
from kernel.pages.views import PageView
from kernel.rules import Rule
from keys import actions
from keys.models import Key
from keys.pages.views.detail import KeyView
from keys.policies.forms import suggest_policies
from keys.policies.services.reading import policies_for
from keys.reading import services as reading
from keys.transport.forms import ExportForm, ImportForm
from keys.transport.services import exporting, importing

SHOWN_ONCE: Final = "This export was already shown. It is shown only once."
_UNKEPT: Final = ("material", "import_parameters_id")


class ImportView(PageView[Principal]):
    """A key from material of another system. The page never shows the material again, and no draft keeps it."""

    rules = dict.fromkeys(("GET", "POST"), Rule("keys.import", actions.KEY_IMPORTED))
    section = "keys"
    template = "keys/import.html"
    draft_fields = tuple(name for name in ImportForm.base_fields if name not in _UNKEPT)

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self._show_form(self.show_draft(self._form()))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST)
        if form.is_valid():
            try:
                key = importing.import_key(
                    principal=self.principal,
                    request=form.import_request(),
                    policy_id=form.cleaned_data["policy_id"],
                    **form.settings(),
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("key", args=[key.name]), f"Key {key.name} imported.")
        return self._show_form(form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _form(self, data: QueryDict | None = None) -> ImportForm:
        form = ImportForm(data, is_private_connection=is_private(self.request))
        policies = policies_for(principal=self.principal)
        suggest_policies(form, policies, is_required=settings.CC_REQUIRE_POLICY)
        form.suggest_tags(reading.frequent_tags(principal=self.principal))
        return form

    def _show_form(self, form: ImportForm, status: int = HTTPStatus.OK) -> HttpResponse:
        return self.page(form=form, more=[form[name] for name in form.more_options], status=status)


class ExportView(KeyView):
    """The material of an exportable key. Only the response to the form shows it."""

    rules = dict.fromkeys(("GET", "POST"), Rule("keys.export", actions.KEY_EXPORTED))
    template = "keys/export.html"
    draft_fields = ("reason",)

    def get(self, request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        key = self.find(name)
        return self._show_form(key, self.show_draft(self._form(key)))

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        self.principal.require_recent_sign_in(database_now())
        if once.was_accepted(request):
            return self.done(reverse("key", args=[name]), SHOWN_ONCE)
        key = self.find(name)
        form = self._form(key, request.POST)
        if form.is_valid():
            try:
                exported = exporting.export_key(
                    principal=self.principal,
                    key_id=key.id,
                    reason=form.cleaned_data["reason"],
                    wrapping_key=form.cleaned_data["wrapping_key"],
                    is_private_connection=is_private(request),
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self._show_material(key, exported)
        return self._show_form(key, form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _form(self, key: Key, data: QueryDict | None = None) -> ExportForm:
        return ExportForm(data, key=key, is_private_connection=is_private(self.request))

    def _show_form(self, key: Key, form: ExportForm, status: int = HTTPStatus.OK) -> HttpResponse:
        impossible = ""
        try:
            exporting.require_exportable(key, key.policy)
        except DomainError as refusal:
            impossible = refusal.detail
        return self.show(
            key,
            status=status,
            form=form,
            impossible=impossible,
            is_private_connection=is_private(self.request),
        )

    def _show_material(self, key: Key, exported: exporting.ExportedKey) -> HttpResponse:
        once.accept(self.request)
        return self.page(
            template="keys/exported.html",
            key=key,
            versions=[
                (each.version, encode_base64(each.wrapped or each.material or b""))
                for each in exported.versions
            ],
            is_wrapped=any(each.wrapped is not None for each in exported.versions),
            is_document=key.kind.has_document,
        )
