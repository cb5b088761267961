"""Forms that edit an object which others may change in the meantime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict

from kernel.errors import DomainError, VersionConflict
from kernel.pages.forms import PageForm


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that the user and someone else changed, with both values as text."""

    name: str
    saved: str
    typed: str


class EditForm(PageForm):
    """A form whose fields also send the values that the page showed, in hidden inputs.

    These values are the version that the user edited: ``changes`` are the fields in which the input differs from
    them, and ``require_current`` compares them with the stored object, as ``If-Match`` compares an entity tag.
    """

    conflicts: Sequence[FieldConflict] = ()
    stored: Mapping[str, Any]
    data: QueryDict

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def changes(self) -> dict[str, Any]:
        """The fields that the user changed, of a valid form."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def require_current(self, stored: Mapping[str, Any]) -> None:
        """Raises VersionConflict if saving would overwrite a value that the user has not seen. ``refused`` shows it."""
        self.stored = stored
        if self._conflicts_with(stored):
            raise VersionConflict("The object has changed since you opened this page.")

    def refused(self, request: HttpRequest, refusal: DomainError, words: str = "") -> None:
        """After a conflict, show the saved values beside the typed ones. The next submission replaces these."""
        if not isinstance(refusal, VersionConflict):
            super().refused(request, refusal, words)
            return
        stored, names = self.stored, self._conflicts_with(self.stored)
        self.conflicts = [
            FieldConflict(name, _as_text(stored[name]), _as_text(self.cleaned_data[name])) for name in names
        ]
        self.data = self.data.copy()
        for name in names:
            self._send_back(name, stored[name])
        super().refused(
            request, refusal, "Some fields have changed since you opened this page. Nothing was saved."
        )
        for name in names:
            self.add_error(name, "Another value was saved.")

    def _conflicts_with(self, stored: Mapping[str, Any]) -> list[str]:
        """The fields that the user and someone else changed."""
        return [name for name in self.changed_data if self._differs(stored[name], name)]

    def _differs(self, stored: object, name: str) -> bool:
        field = self.fields[name]
        sent = field.hidden_widget().value_from_datadict(self.data, self.files, self.add_initial_prefix(name))
        try:
            shown = field.to_python(sent)
        except forms.ValidationError:
            return True  # not sent by our page
        return field.has_changed(shown, stored) and field.has_changed(stored, self.cleaned_data[name])

    def _send_back(self, name: str, stored: Any) -> None:
        """Make the stored value the one that this page shows."""
        field, name = self.fields[name], self.add_initial_prefix(name)
        if issubclass(field.hidden_widget, forms.MultipleHiddenInput):
            self.data.setlist(name, stored)
        else:
            self.data[name] = field.hidden_widget().format_value(field.prepare_value(stored)) or ""


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%MZ}"
    return ", ".join(value) if isinstance(value, list) else str(value or "")
