"""Forms of log targets."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms

from audit.forwarding.events.formats import LABELS as FORMATS
from audit.forwarding.values import CREDENTIAL_LIMIT
from audit.log.canonical import MAX_INTEGER
from audit.log.events import Outcome
from audit.models import LogTarget
from audit.models.log_targets import HttpStyle, LogFormat
from kernel.http.targets import MAX_URL
from kernel.pages.edit_forms import EditForm
from kernel.pages.forms import CheckboxTags, PageForm, UnkeptTextarea, WordsField

STYLES: Final[Mapping[str, str]] = {
    HttpStyle.LINES: "One entry on each line",
    HttpStyle.SPLUNK: "Splunk HTTP Event Collector",
    HttpStyle.ELASTIC: "Elasticsearch and OpenSearch bulk",
    HttpStyle.LOKI: "Loki push",
}
OUTCOMES: Final[Mapping[str, str]] = {
    Outcome.OK: "Allowed",
    Outcome.DENIED: "Denied",
    Outcome.ERROR: "Failed",
}
_NEW, _WHOLE, _AFTER = "new", "whole", "after"


def _plain(**attributes: object) -> dict[str, object]:
    return {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none", **attributes}


class LogTargetFields(PageForm):
    name = forms.CharField(
        max_length=LogTarget.NAME_LIMIT,
        help_text="Who receives the log, such as SIEM.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    url = forms.CharField(
        label="URL",
        max_length=MAX_URL,
        strip=False,
        help_text=(
            "https://siem.example.org/path, relp+tls://logs.example.org:2514, relp://…, tls://logs.example.org:6514, "
            "tcp://…, or a file such as file:///srv/log/audit.jsonl. With tls and tcp, entries can be lost."
        ),
        widget=forms.TextInput(attrs=_plain(inputmode="url")),
    )
    format = forms.ChoiceField(
        choices=[*FORMATS.items()],
        initial=LogFormat.JSON.value,
        help_text="The receiver can verify canonical JSON, if it gets every entry.",
    )
    style = forms.ChoiceField(
        label="Body of HTTPS requests", choices=[*STYLES.items()], initial=HttpStyle.LINES.value
    )
    credential = forms.CharField(
        required=False,
        max_length=CREDENTIAL_LIMIT,
        help_text=(
            "With https, the value of the header Authorization, such as Splunk TOKEN or ApiKey KEY. With relp+tls and tls, "
            "a certificate and its private key in PEM form."
        ),
        widget=UnkeptTextarea(rows=2),
    )
    ca = forms.CharField(
        required=False,
        max_length=LogTarget.CA_LIMIT,
        strip=False,
        label="Certificate authority",
        help_text="Certificates in PEM form, if the system does not know the authority of the receiver.",
        widget=forms.Textarea(attrs=_plain(rows=3)),
    )
    actions = WordsField(
        required=False,
        help_text=(
            "Leave empty to send all actions. Otherwise, enter actions or their first parts, such as accounts. or "
            "keys.key.revoked. Separate them with commas."
        ),
    )
    outcomes = forms.MultipleChoiceField(
        required=False,
        choices=[*OUTCOMES.items()],
        help_text="Leave all unchecked for every outcome.",
        widget=CheckboxTags,
    )


class NewLogTargetForm(LogTargetFields):
    start = forms.ChoiceField(
        label="Deliver",
        choices=[(_NEW, "New entries only"), (_WHOLE, "The whole log, from its first entry on")],
        initial=_NEW,
        widget=forms.RadioSelect,
    )

    def order(self) -> Mapping[str, object]:
        values = dict(self.cleaned_data)
        return {"size": None if values.pop("start") == _NEW else 0, "values": values}


class EditLogTargetForm(EditForm, LogTargetFields):
    forgets_credential = forms.BooleanField(required=False, label="Remove the stored credential")
    field_order = ("name", "url", "format", "style", "credential", "forgets_credential")

    def __init__(self, *args: Any, has_credential: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if has_credential:
            self.fields["credential"].help_text = "Leave empty to keep the stored credential."
        else:
            del self.fields["forgets_credential"]

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if changes.pop("forgets_credential", False):
            changes.setdefault("credential", "")
        return changes


class PositionForm(PageForm):
    """Where the delivery continues."""

    position = forms.ChoiceField(
        label="Continue with",
        choices=[
            (_AFTER, "The entries that the receiver does not have"),
            (_NEW, "New entries only"),
            (_WHOLE, "The whole log, from its first entry on"),
        ],
        widget=forms.RadioSelect,
    )
    size = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_INTEGER,
        label="Number of entries that the receiver has",
        help_text="Required if you continue with the entries that the receiver does not have. Count from the first entry of the log.",
        widget=forms.TextInput(attrs=_plain(inputmode="numeric")),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        is_missing = cleaned.get("position") == _AFTER and cleaned.get("size") is None
        if is_missing and "size" not in self.errors:
            self.add_error("size", "Enter the number of entries that the receiver has.")
        return cleaned

    def order(self) -> Mapping[str, object]:
        sizes = {_AFTER: self.cleaned_data["size"], _NEW: None, _WHOLE: 0}
        return {"size": sizes[self.cleaned_data["position"]]}
