"""The search of the API reference, and the parameters of a call."""

from collections.abc import Mapping

from django import forms

from console.reference.endpoints import Endpoint
from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import PageForm, search_field


class EndpointFilterForm(FilterForm):
    search = search_field("Search by path, description, permission or field")


class CallForm(PageForm):
    """The parameters of an endpoint as text. The endpoint checks them."""

    def __init__(self, endpoint: Endpoint, data: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self.endpoint = endpoint
        for each in endpoint.parameters:
            self.fields[each.name] = forms.CharField(
                label=each.name, required=each.is_required, help_text=each.notes, max_length=1000
            )
            if endpoint.takes_in_path(each.name):
                self.fields[each.name].validators.append(_one_segment)

    def path(self) -> str:
        return self.endpoint.path.format_map(self.cleaned_data)

    def query(self) -> dict[str, str]:
        return {
            name: text
            for name, text in self.cleaned_data.items()
            if text and not self.endpoint.takes_in_path(name)
        }


def _one_segment(text: str) -> None:
    if "/" in text:  # the path would be that of another endpoint
        raise forms.ValidationError("Enter a value without a slash.")
