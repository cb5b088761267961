"""Forms of the log's pages."""

from django import forms

from audit.events import ActorType, Outcome, Source
from ciphercanary.pages.forms import PageForm


def _choices(words: type[Outcome] | type[Source] | type[ActorType]) -> list[tuple[str, str]]:
    return [("", "Any"), *((word.value, word.value) for word in words)]


class LogFilterForm(PageForm):
    """What the log is narrowed to, in the words of the API; it lies in the URL."""

    search = forms.CharField(required=False, max_length=200)
    actor = forms.CharField(required=False, max_length=150)
    action = forms.CharField(required=False, max_length=64)
    object = forms.CharField(required=False, max_length=100)
    outcome = forms.ChoiceField(required=False, label="Result", choices=_choices(Outcome))
    source = forms.ChoiceField(required=False, choices=_choices(Source))
