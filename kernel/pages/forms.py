"""Forms of pages: input is kept, and each error appears at its field and in a summary above the form."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from typing import Any

from django import forms
from django.forms.renderers import TemplatesSetting
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernel.errors import DomainError, RecentAuthRequired
from kernel.pages.views import refuse


class _PageRenderer(TemplatesSetting):
    """Renders a form, its fields and its errors from ``templates/partials``."""

    form_template_name = "partials/form.html"
    field_template_name = "partials/field.html"


class PageForm(forms.Form):
    """A form whose errors come from its service: ``refused`` assigns them to the fields."""

    default_renderer = _PageRenderer
    use_required_attribute = False  # the server reports missing values, with and without scripts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)

    def order(self) -> Mapping[str, object]:
        """The cleaned data that the service takes."""
        return self.cleaned_data

    def refused(self, request: HttpRequest, refusal: DomainError, words: str = "") -> None:
        """Show a refusal of the service and attach it to the request for the audit log.

        ``words`` replaces the detail of a refusal that concerns no field of the form. Re-raises RecentAuthRequired,
        which no form can resolve; the page redirects to the sign-in.
        """
        if isinstance(refusal, RecentAuthRequired):
            raise refusal
        refuse(request, refusal)
        at_fields = {name: list(found) for name, found in refusal.fields.items() if name in self.fields}
        for name, found in at_fields.items():
            for message in found:
                self.add_error(name, message)
        if not at_fields:
            self.add_error(None, words or refusal.detail)


def offer(form: forms.Form, field: str, choices: Iterable[tuple[str, Any]]) -> None:
    """Set the choices of a field that depend on the data, or groups of them."""
    chosen = form.fields[field]
    if not isinstance(chosen, forms.ChoiceField):
        raise TypeError(f"{field} offers no choices")
    chosen.choices = list(choices)


class LongSelect(forms.Select):
    """A select with many choices and no groups.

    For each choice, Django renders a template, which takes 50 µs, and ``format_html`` takes 12 µs.
    """

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: object = None,  # noqa: ARG002 - Django's signature
    ) -> SafeString:
        chosen = self.format_value(value) or ()
        options = "\n".join(
            f'<option value="{escape(str(choice))}"{" selected" if str(choice) in chosen else ""}>{escape(str(label))}</option>'
            for choice, label in self.choices
        )
        given = flatatt({"name": name, **self.build_attrs(self.attrs, attrs)})
        return format_html("<select{}>\n{}\n</select>", given, SafeString(options))  # nosec B703 - escaped above


class CheckboxTags(forms.CheckboxSelectMultiple):
    """Check boxes side by side, for many short words. Groups of choices have a heading."""

    template_name = "partials/checkbox_tags.html"


class UnkeptTextarea(forms.Textarea):
    """For secrets. The text is never sent back to the browser, which must neither store nor check it."""

    def __init__(self, rows: int = 8) -> None:
        plain = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        super().__init__(attrs={**plain, "rows": rows, "class": "mono"})

    def format_value(self, value: Any) -> None:  # noqa: ARG002 - Django's signature
        return None


class WordsField(forms.CharField):
    """Words that the user separates with commas, without repetitions."""

    widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"})

    def clean(self, value: Any) -> list[str]:
        return _words_of(super().clean(value))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return _words_of(initial) != _words_of(data)


def _words_of(value: Any) -> list[str]:
    """The words of a list, or of the text that a browser sent."""
    parts = value if isinstance(value, list) else (value or "").split(",")
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


class UtcDateTimeField(forms.DateTimeField):
    """A UTC time with minute precision, as browsers send it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    input_formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the minute differs. The field does not show seconds, so they cannot be sent back."""
        return _minute_of(initial) != _minute_of(data)


def _minute_of(value: Any) -> str:
    """The minute of a time, or of the text that a browser sent."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M}"
    return str(value or "").replace(" ", "T")[: len("2026-01-01T00:00")]


class ReasonForm(PageForm):
    """The reason for an operation, recorded in the audit log."""

    reason = forms.CharField(
        label="Reason",
        help_text="Recorded in the audit log.",
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class NewNameField(forms.CharField):
    """The name of a new object. It has the focus until the form is submitted: then an invalid field gets it."""

    def __init__(
        self, *, autofocus: bool = True, attrs: Mapping[str, object] | None = None, **kwargs: Any
    ) -> None:
        given = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", **(attrs or {})}
        super().__init__(
            max_length=64,
            help_text="3 to 64 characters: a-z, 0-9 and hyphen. You cannot change the name later.",
            widget=forms.TextInput(attrs=given | ({"autofocus": True} if autofocus else {})),
            **kwargs,
        )

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        if form.is_bound:
            self.widget.attrs.pop("autofocus", None)
        return super().get_bound_field(form, field_name)


def search_field(placeholder: str) -> forms.CharField:
    """The search of a list, which the shortcut of the page focuses."""
    attributes = {
        "autocomplete": "off",
        "placeholder": placeholder,
        "aria-keyshortcuts": "f",
        "data-search": True,
    }
    return forms.CharField(required=False, max_length=200, widget=forms.SearchInput(attrs=attributes))
