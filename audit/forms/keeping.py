"""Forms that keep what a filter finds, or the filter."""

from typing import Any

from django import forms

from audit.exports.formats import ExportFormat
from audit.models import SavedFilter
from kernel.pages.forms import PageForm

_FORMATS = {
    ExportFormat.CSV: "CSV, for spreadsheets",
    ExportFormat.JSONL: "JSON Lines, for programs: each entry with its hashed bytes and its integrity",
    ExportFormat.TILES: "Tiles for ccverify: the whole log with its tree and checkpoints",
}


class ExportForm(PageForm):
    format = forms.ChoiceField(choices=[], widget=forms.RadioSelect, initial=ExportFormat.CSV.value)

    def __init__(self, *args: Any, is_of_whole_log: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [word for word in _FORMATS if is_of_whole_log or word != ExportFormat.TILES]
        self.fields["format"].choices = [(word.value, _FORMATS[word]) for word in offered]  # type: ignore[attr-defined]  # a ChoiceField


class SavedFilterForm(PageForm):
    name = forms.CharField(
        max_length=SavedFilter.NAME_LIMIT, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    is_shared = forms.BooleanField(required=False, label="Share with everyone who can read the whole log")
