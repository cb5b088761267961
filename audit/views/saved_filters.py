"""Pages of saved filters."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit import actions
from audit.forms.filters import LogFilterForm
from audit.forms.keeping import SavedFilterForm
from audit.models import LOG, READ_PERMISSION, SavedFilter
from audit.services import saved_filters
from audit.services.saved_filters import Owner
from audit.views.events import return_to_list
from kernel.errors import NotFound
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView, refuse
from kernel.rules import Rule


class SavedFiltersView(PageView[Owner]):
    rules = {"GET": Rule(READ_PERMISSION, actions.FILTER_LISTED)}
    section = "audit"
    template = "audit/saved.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        found = saved_filters.find_filters(reader=self.principal)
        return self.page(
            kept=[(each, _address(each), each.owner == self.principal.identity.id) for each in found]
        )


class NewSavedFilterView(FormView[Owner, SavedFilterForm]):
    """Saves the filters of the query string."""

    rules = dict.fromkeys(("GET", "POST"), Rule(READ_PERMISSION, actions.FILTER_SAVED))
    section = "audit"
    template = "audit/saved_new.html"
    form_class = SavedFilterForm
    draft_fields = tuple(SavedFilterForm.base_fields)

    def perform(self, form: SavedFilterForm) -> HttpResponse:
        filters = LogFilterForm(self.request.GET).filters
        kept = saved_filters.save_filter(principal=self.principal, filters=filters, **form.cleaned_data)
        return self.done(_address(kept), f"Filter {kept.name} saved.")

    def show_form(self, form: SavedFilterForm, **context: Any) -> HttpResponse:
        if self.principal.scope(READ_PERMISSION) != "all":
            del form.fields["is_shared"]  # no other user would see the same
        asked = LogFilterForm(self.request.GET)
        return self.page(form=form, asked=asked, **return_to_list(self.request, asked), **context)


class DeleteSavedFilterView(PageView[Owner]):
    """Lists of other apps inherit it, with their own permission, list and page."""

    rules = {"POST": Rule(READ_PERMISSION, actions.FILTER_DELETED)}
    object_reference = ("saved_filter", "filter_id")
    of = LOG
    return_name = "audit-saved"

    def post(self, request: HttpRequest, filter_id: UUID) -> HttpResponse:
        noun = self.of.noun
        try:
            kept = saved_filters.delete_filter(principal=self.principal, filter_id=filter_id, of=self.of)
            message = f"{noun.capitalize()} {kept.name} deleted."
        except NotFound as refusal:
            refuse(request, refusal)
            message = f"This {noun} does not exist or has been deleted."
        return self.done(reverse(self.return_name), message)


def _address(kept: SavedFilter) -> str:
    return f"{reverse('audit')}?{kept.query}"
