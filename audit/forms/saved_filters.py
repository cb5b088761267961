from django import forms

from audit.models import SavedFilter
from kernel.pages.forms import PageForm


class SavedFilterForm(PageForm):
    name = forms.CharField(
        max_length=SavedFilter.NAME_LIMIT, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    is_shared = forms.BooleanField(required=False, label="Share with everyone who can read the whole log")
