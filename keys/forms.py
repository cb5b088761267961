"""Forms of keys: what is typed; what may be typed is the services' to say."""

from typing import Any

from django import forms

from ciphercanary.crypto.algorithms import KEY_ALGORITHMS
from ciphercanary.pages.forms import MomentField, PageForm
from keys.lifecycle import Status
from keys.metadata import MAX_DESCRIPTION, MAX_TAG, MAX_TAGS

ORDERINGS = {"name", "-name", "created_at", "-created_at", "next_rotation_at", "-next_rotation_at"}


class TagsField(forms.CharField):
    """Tags, apart by commas: ``pci, prod``."""

    widget = forms.TextInput(attrs={"autocomplete": "off"})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return [tag for tag in (part.strip() for part in text.split(",")) if tag]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.clean(data) != (initial or []))


class KeyFilterForm(PageForm):
    """What the list is narrowed to; it lies in the URL."""

    search = forms.CharField(required=False, max_length=200)
    status = forms.ChoiceField(
        required=False,
        label="State",
        choices=[("", "Any"), *((s.value, s.value.capitalize()) for s in Status)],
    )
    algorithm = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((name, name) for name in KEY_ALGORITHMS)]
    )
    tag = forms.CharField(required=False, max_length=MAX_TAG)


class KeyForm(PageForm):
    """A new key."""

    name = forms.CharField(
        max_length=64,
        help_text="3 to 64 of a-z, 0-9 and hyphen. It cannot be changed.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True, "spellcheck": "false"}),
    )
    algorithm = forms.ChoiceField(
        choices=[(name, name) for name in KEY_ALGORITHMS], initial="aes-256", widget=forms.RadioSelect
    )
    description = forms.CharField(required=False, max_length=MAX_DESCRIPTION)
    tags = TagsField(required=False, help_text=f"At most {MAX_TAGS}, apart by commas.")
    rotation_period_days = forms.IntegerField(
        required=False,
        label="Rotate every … days",
        help_text="Left empty, it is rotated by hand.",
        min_value=1,
    )
    activates_at = MomentField(required=False, label="Active from (UTC)", help_text="Left empty, at once.")
    expires_at = MomentField(
        required=False,
        label="Expires at (UTC)",
        help_text="From then on it decrypts only. It cannot be extended afterwards.",
    )


class KeySettingsForm(PageForm):
    description = forms.CharField(required=False, max_length=MAX_DESCRIPTION)
    tags = TagsField(required=False, help_text=f"At most {MAX_TAGS}, apart by commas.")
    rotation_period_days = forms.IntegerField(
        required=False,
        label="Rotate every … days",
        help_text="Left empty, it is rotated by hand.",
        min_value=1,
    )
    expires_at = MomentField(
        required=False,
        label="Expires at (UTC)",
        help_text="From then on it decrypts only. It cannot be extended afterwards.",
    )


class NamedReasonForm(PageForm):
    """For what cannot be undone: a reason, and the key's name typed out."""

    reason = forms.CharField(
        label="Why?",
        help_text="Recorded in the audit log.",
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label="The key's name", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, key_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key_name = key_name
        self.fields["name"].help_text = f"Type {key_name} to confirm."

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]
        if typed != self.key_name:
            raise forms.ValidationError(f"This is not {self.key_name}.")
        return typed
