"""Forms for several keys at once.

``chosen`` are the keys with the primary versions that the page showed, in one hidden input.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django import forms

from kernel.pages.forms import PageForm, ReasonForm
from keys.metadata import MAX_TAG, MAX_VERSION
from keys.models import Key

_MAX_DIGITS: Final = len(str(MAX_VERSION))


class RotateChosenForm(ReasonForm):
    chosen = forms.CharField(widget=forms.HiddenInput)


class TagChosenForm(PageForm):
    """``change`` adds the tag to the chosen keys or removes it."""

    chosen = forms.CharField(widget=forms.HiddenInput)
    change = forms.ChoiceField(
        choices=[("add", "Add the tag"), ("remove", "Remove the tag")],
        initial="add",
        widget=forms.RadioSelect,
    )
    tag = forms.CharField(
        max_length=MAX_TAG, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )


def write_chosen(keys: Iterable[Key]) -> str:
    """The value of the hidden input: ``ID:version``, separated by spaces."""
    return " ".join(f"{key.id}:{key.primary_version}" for key in keys)


def read_chosen(text: str) -> dict[UUID, int]:
    """The versions by key. Empty if our page did not write the text."""
    try:
        return dict(map(_parse, text.split()))
    except ValueError:
        return {}


def _parse(part: str) -> tuple[UUID, int]:
    """Raises ValueError."""
    key_id, _, version = part.partition(":")
    if not version.isascii() or not version.isdecimal() or len(version) > _MAX_DIGITS:
        raise ValueError
    number = int(version)
    if not 1 <= number <= MAX_VERSION:
        raise ValueError
    return UUID(key_id), number
