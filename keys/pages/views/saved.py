"""Saved views of the list of keys: its filters and its order, under a name."""

from typing import Any, Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.authorization import READ_KEYS
from accounts.principals import Principal
from audit import actions
from audit.models import FilteredList, SavedFilter
from audit.services import saved_filters
from audit.views.saved_filters import DeleteSavedFilterView
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView, number_in
from kernel.rules import Rule
from keys.pages.forms import SavedViewForm
from keys.reading.forms import read_list

KEY_VIEWS: Final = FilteredList("keys", READ_KEYS, noun="view", reach="the keys within your reach")
_LIMIT = 50


class SavedViewsView(PageView[Principal]):
    rules = {"GET": Rule(KEY_VIEWS.permission, actions.FILTER_LISTED)}
    section = "keys"
    template = "keys/saved.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        found = saved_filters.find_filters(reader=self.principal, of=KEY_VIEWS)
        window = Paginator(found, _LIMIT).get_page(number_in(request, "page") or 1)
        return self.page(
            window=window,
            kept=[
                (each, read_list(each.parameters), each.owner == self.principal.identity.id)
                for each in window.object_list
            ],
        )


class NewSavedViewView(FormView[Principal, SavedViewForm]):
    """Saves the filters and the order of the query string."""

    rules = dict.fromkeys(("GET", "POST"), Rule(KEY_VIEWS.permission, actions.FILTER_SAVED))
    section = "keys"
    template = "keys/saved_new.html"
    form_class = SavedViewForm
    draft_fields = tuple(SavedViewForm.base_fields)

    def perform(self, form: SavedViewForm) -> HttpResponse:
        asked = read_list(self.request.GET)
        kept = saved_filters.save_filter(
            principal=self.principal, filters=asked.parameters(), of=KEY_VIEWS, **form.cleaned_data
        )
        return self.done(asked.address(reverse("keys")), f"View {kept.name} saved.")

    def show_form(self, form: SavedViewForm, **context: Any) -> HttpResponse:
        if self.principal.scope(KEY_VIEWS.permission) != "all":
            del form.fields["is_shared"]  # no other user would see the same
        return self.page(form=form, asked=read_list(self.request.GET), **context)


class DeleteSavedViewView(DeleteSavedFilterView):
    rules = {"POST": Rule(KEY_VIEWS.permission, actions.FILTER_DELETED)}
    of = KEY_VIEWS
    return_name = "keys-saved"


def listed_views(principal: Principal, current: object, limit: int) -> list[tuple[SavedFilter, bool]]:
    """The first saved views by name, and whether each has the ``current`` filters and order."""
    found = saved_filters.find_filters(reader=principal, of=KEY_VIEWS)[:limit]
    return [(each, each.parameters == current) for each in found]
