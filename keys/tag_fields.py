"""Input of tags: a check box for each tag that the key has or that is suggested, and a text field for others."""

from collections.abc import Sequence
from typing import Any

from django import forms


class TagsInput(forms.Widget):
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


class KeyNamesInput(TagsInput):
    """The same for names of keys."""

    existing, others = "Keys", "Names of other keys"


class TagsField(forms.Field):
    """A list of tags."""

    widget = TagsInput
    hidden_widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        return list(value or [])

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)
