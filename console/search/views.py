"""The page of the search. The field in the bar of each page shows the same hits while the user types."""

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.principals import Principal
from console import actions
from console.search.services import Group, search_console
from kernel.pages.filter_forms import FilterForm
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, Rule


class _SearchForm(FilterForm):
    q = forms.CharField(required=False, max_length=200)


class SearchView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.SEARCHED)}
    section = "search"
    template = "console/search.html"
    parts = frozenset({"search-hits"})

    def get(self, request: HttpRequest) -> HttpResponse:
        form = _SearchForm.read(request.GET)
        text = form.given.get("q", "")
        groups = search_console(principal=self.principal, text=text) if text else []
        if not self.is_part and (url := _url_of_only_hit(groups, text)):
            return HttpResponseRedirect(url)
        count = sum(len(group.hits) for group in groups)
        has_more = any(group.more for group in groups)
        return self.page(
            searched_for=text, groups=groups, count=count, has_more=has_more, ignored=form.ignored
        )


def _url_of_only_hit(groups: list[Group], text: str) -> str:
    """The URL of the object, if it is the only hit and has this name; otherwise ""."""
    hits = [hit for group in groups for hit in group.hits]
    return hits[0].url if len(hits) == 1 and hits[0].title.casefold() == text.casefold() else ""
