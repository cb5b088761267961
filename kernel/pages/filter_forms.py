"""The filters of a list, in the query string of its URL."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlencode

from kernel.pages.forms import PageForm


class FilterForm(PageForm):
    """The filters of a list. ``given``: the valid ones. ``ignored``: the labels of the others, which the form does not show.

    ``extra`` are parameters of the list that are not filters. Its URLs keep them.
    """

    given: Mapping[str, Any]
    ignored: list[str]
    extra: dict[str, str]

    @classmethod
    def read(cls, asked: Mapping[str, str], **extra: str) -> Self:
        """The form with the filters in a query string."""
        sent = cls(asked)
        sent.is_valid()
        form = cls(initial=sent.cleaned_data)
        form.given = {name: value for name, value in sent.cleaned_data.items() if value}
        form.ignored = [str(sent[name].label) for name in sent.errors]
        form.extra = extra
        return form

    def chips(self) -> list[tuple[str, str, str]]:
        """The label, the display text, and the query string without it of each filter."""
        return [
            (str(self[name].label), self._label(name, text), self.query(without=name))
            for name, text in self._texts().items()
        ]

    def _label(self, name: str, text: str) -> str:
        return str(dict(getattr(self.fields[name], "choices", ())).get(text, text))

    def _texts(self) -> dict[str, str]:
        return {name: str(self[name].value()) for name in self.given}

    def parameters(self, without: str = "") -> dict[str, str]:
        """The parameters of the list with its filters, without empty ones."""
        return {name: text for name, text in self._texts().items() if name != without} | self.extra

    def query(self, without: str = "") -> str:
        return urlencode(self.parameters(without))

    def address(self, url: str) -> str:
        """The URL of the list with its filters, without empty parameters, so that it can be shared."""
        query = self.query()
        return f"{url}?{query}" if query else url
