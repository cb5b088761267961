"""Forms for keys. They parse input; the services validate it."""

from collections.abc import Sequence
from typing import Any

from django import forms

from kernel.pages.forms import PageForm, ReasonForm
from keys.metadata import MAX_DESCRIPTION, MAX_TAGS


class _TagsInput(forms.Widget):
    """Sends all values under one name: the selected tags, and then the text, which separates tags with commas."""

    template_name = "keys/tags_input.html"
    suggestions: Sequence[str] = ()
    existing, others = "Existing tags", "New tags"  # the names of the check boxes and of the text field

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        chosen = value or []
        unchosen = [tag for tag in self.suggestions if tag not in chosen]
        options = [(tag, True) for tag in chosen] + [(tag, False) for tag in unchosen]
        texts = {"existing": self.existing, "others": self.others}
        return super().get_context(name, None, attrs) | {"options": options} | texts

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:  # noqa: ARG002 - Django's signature
        *chosen, text = (data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])) or [""]
        typed = (part.strip() for part in text.split(","))
        return list(dict.fromkeys(tag for tag in [*chosen, *typed] if tag))


class KeyNamesInput(_TagsInput):
    """The same for names of keys."""

    existing, others = "Keys", "Names of other keys"


class TagsField(forms.Field):
    """A list of tags."""

    widget = _TagsInput
    hidden_widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        return list(value or [])

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class _ProseField(forms.CharField):
    """Multi-line text, kept as typed except that the CR LF sent by browsers becomes LF."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "prose"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"strip": False} | kwargs)

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class KeyNotesForm(PageForm):
    """Notes about a key, which do not affect any decision."""

    description = _ProseField(required=False, max_length=MAX_DESCRIPTION)
    tags = TagsField(
        required=False,
        help_text=f"Select existing tags, or type new ones, separated with commas. At most {MAX_TAGS} tags.",
    )

    def suggest_tags(self, tags: Sequence[str]) -> None:
        self.fields["tags"].widget.suggestions = tags


class FinalForm(ReasonForm):
    """For operations that cannot be undone: a reason, the typed key name, and a checkbox if the key is in use."""

    anyway = forms.BooleanField(
        error_messages={"required": "Select this to continue, or disable the key instead."}
    )
    name = forms.CharField(
        label="Key name", widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    field_order: Sequence[str] = ("anyway", "reason", "name")

    def __init__(self, *args: Any, key_name: str, anyway: str, **kwargs: Any) -> None:
        """``anyway`` is the label of the checkbox, "" for a key that is not in use."""
        super().__init__(*args, **kwargs)
        self.key_name = key_name
        self.fields["name"].help_text = f"Type {key_name} to confirm."
        if anyway:
            self.fields["anyway"].label = anyway
        else:
            del self.fields["anyway"]

    def clean_name(self) -> str:
        typed: str = self.cleaned_data["name"]  # leading and trailing spaces are stripped
        if typed != self.key_name:
            raise forms.ValidationError(f"The name does not match. Type {self.key_name}.")
        return typed

    def order(self) -> dict[str, Any]:
        return {"reason": self.cleaned_data["reason"]}
