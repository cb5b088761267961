"""The pages that import and export keys."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from accounts.principals import Principal
from kernel.clock import database_now
from kernel.crypto.encoding import encode_base64
from kernel.errors import DomainError
from kernel.http.context import in_context
from kernel.http.private_connections import is_private
from kernel.pages.form_views import FormView
from kernel.rules import Rule
from keys import actions
from keys.models import Key
from keys.pages.views.detail import KeyView
from keys.policies.forms import suggest_policies
from keys.policies.services.reading import policies_for
from keys.reading import services as reading
from keys.transport.forms import ExportForm, ImportForm
from keys.transport.services import exporting, import_parameters, importing
from keys.transport.services.exporting import ExportedKey

_SHOWN_ONCE: Final = "This export was already shown. It is shown only once."
_FETCH: Final = "fetch_parameters"
_NOT_IN_DRAFTS: Final = ("material", "import_parameters_id")


class ImportView(FormView[Principal, ImportForm]):
    """A key from material of another system. The page never shows the material again, and no draft keeps it."""

    rules = dict.fromkeys(("GET", "POST"), Rule("keys.import", actions.KEY_IMPORTED))
    section = "keys"
    template = "keys/import.html"
    parts = frozenset({"format-choice"})
    draft_fields = tuple(name for name in ImportForm.base_fields if name not in _NOT_IN_DRAFTS)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if _FETCH not in request.POST:
            return super().post(request, *args, **kwargs)
        in_context(request).audit_action = actions.IMPORT_PARAMETERS_CREATED
        found = import_parameters.get_import_parameters(principal=self.principal)
        form = self.form()
        form.initial = {name: request.POST[name] for name in self.draft_fields if name in request.POST}
        form.initial["import_parameters_id"] = found.id
        return self.show_form(form, parameters=found, hpke=encode_base64(found.hpke))

    def form(self, data: QueryDict | None = None) -> ImportForm:
        form = ImportForm(data, is_private_connection=is_private(self.request))
        policies = policies_for(principal=self.principal)
        suggest_policies(form, policies, is_required=settings.CC_REQUIRE_POLICY)
        form.suggest_tags(reading.frequent_tags(principal=self.principal))
        return form

    def perform(self, form: ImportForm) -> HttpResponse:
        key = importing.import_key(
            principal=self.principal,
            request=form.import_request(),
            policy_id=form.cleaned_data["policy_id"],
            **form.settings(),
        )
        return self.done(reverse("key", args=[key.name]), f"Key {key.name} imported.")

    def show_form(self, form: ImportForm, **context: Any) -> HttpResponse:
        if self.is_part:
            form.initial = {name: self.request.GET.get(name, "") for name in ("algorithm", "format")}
        if not form.is_bound:
            form.offer_formats()
        return self.page(form=form, more=[form[name] for name in form.more_options], **context)


class ExportView(KeyView, FormView[Principal, ExportForm]):
    """The material of an exportable key. Only the response to the form shows it."""

    rules = dict.fromkeys(("GET", "POST"), Rule("keys.export", actions.KEY_EXPORTED))
    template = "keys/export.html"
    draft_fields = ("reason",)
    shown_once = _SHOWN_ONCE

    @property
    def return_url(self) -> str:
        return reverse("key", args=[self.key.name])

    @cached_property
    def key(self) -> Key:
        self.principal.require_recent_sign_in(database_now())
        return super().key

    def form(self, data: QueryDict | None = None) -> ExportForm:
        return ExportForm(data, key=self.key, is_private_connection=is_private(self.request))

    def perform(self, form: ExportForm) -> ExportedKey:
        return exporting.export_key(
            principal=self.principal,
            key_id=self.key.id,
            reason=form.cleaned_data["reason"],
            wrapping_key=form.cleaned_data["wrapping_key"],
            is_private_connection=is_private(self.request),
        )

    def respond(self, result: ExportedKey) -> HttpResponse:
        return self.page(
            template="keys/exported.html",
            key=self.key,
            versions=[
                (each.version, encode_base64(each.wrapped or each.material or b""))
                for each in result.versions
            ],
            is_wrapped=any(each.wrapped is not None for each in result.versions),
            is_document=self.key.kind.has_document,
        )

    def show_form(self, form: ExportForm, **context: Any) -> HttpResponse:
        impossible = ""
        try:
            exporting.require_exportable(self.key, self.key.policy)
        except DomainError as refusal:
            impossible = refusal.detail
        return self.show(
            self.key,
            form=form,
            impossible=impossible,
            is_private_connection=is_private(self.request),
            **context,
        )
