"""Fields and choices of the form that filters the audit log."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from django import forms

from audit.browse.filters import action_in_words
from audit.log.action_labels import actions_beginning, label_of, word_label
from audit.log.operations import LABEL, OPERATION
from kernel.http.addresses import canonical_address
from kernel.pages.forms import UtcDateTimeField


def word_choices(words: Iterable[str]) -> list[tuple[str, str]]:
    return [("", "Any"), *((word, word_label(word)) for word in words)]


def plain_text() -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


def date_time_field(label: str) -> UtcDateTimeField:
    # A text field: browsers show date pickers in the local format, and as if the time were local.
    widget = forms.TextInput(attrs={"placeholder": "2026-11-25 14:05", "autocomplete": "off"})
    invalid = "Enter a UTC time, such as 2026-11-01 or 2026-11-25T14:05."
    return UtcDateTimeField(required=False, label=label, widget=widget, error_messages={"invalid": invalid})


class AddressField(forms.CharField):
    """An IP address in any spelling, converted to the canonical one."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        address = canonical_address(text)
        if text and not address:
            raise forms.ValidationError("Enter an IP address.")
        return address


def action_choices(actions: Iterable[str], chosen: str) -> list[tuple[str, Any]]:
    """The actions in groups, after the general choices. The chosen one may also be the first words of several labels."""
    general = [("", "Any"), (OPERATION, LABEL)]
    if actions_beginning(chosen):
        return [*general, (chosen, action_in_words(chosen)), *_grouped(sorted(actions))]
    return [*general, *_grouped(sorted({*actions, chosen} - {"", OPERATION}))]


def _grouped(actions: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices such as "Rotate key (keys.key.rotated)", grouped by the first two parts of the action."""
    groups = groupby(actions, lambda word: word.rpartition(".")[0])
    return [(group, [(word, _labelled(word)) for word in words]) for group, words in groups]


def _labelled(action: str) -> str:
    label = label_of(action)
    return action if label == action else f"{label} ({action})"
