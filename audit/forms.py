"""Forms of the audit log pages."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django import forms

from audit.browse.filters import PERIODS
from audit.browse.qualifiers import QUALIFIERS, read_search, similar_words
from audit.browse.selection import LogCriteria
from audit.exports.formats import ExportFormat
from audit.log.action_labels import RESULTS, label_of
from audit.log.events import TEXT_LIMITS, ActorType, Outcome, Source
from audit.log.operations import LABEL, OPERATION
from audit.models import SavedFilter
from kernel.errors import Invalid
from kernel.http.addresses import canonical_address
from kernel.pages.forms import PageForm, UtcDateTimeField

FORMATS = {
    ExportFormat.CSV: "CSV, for spreadsheets",
    ExportFormat.JSONL: "JSON Lines, for programs: each entry with its hashed bytes and its integrity",
    ExportFormat.TILES: "Archive for ccverify: the whole log with its tree and checkpoints",
}
_WORDS = {
    "outcome": Outcome,
    "source": Source,
    "actor_type": ActorType,
}  # fields with a fixed set of values
# Fields that are shown on request only. Otherwise the form would take a third of the screen.
RARE = (
    "actor",
    "action",
    "object",
    "source",
    "actor_type",
    "client_ip",
    "request_id",
    "from",
    "to",
)


def _choices(words: Iterable[str]) -> list[tuple[str, str]]:
    spelt = ((word, word.replace("_", " ").capitalize()) for word in words)
    return [("", "Any"), *((word, "API" if word == Source.API else text) for word, text in spelt)]


def _plain_text() -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


def _date_time_field(label: str) -> UtcDateTimeField:
    # A text field: browsers show date pickers in the local format, and as if the time were local.
    widget = forms.TextInput(attrs={"placeholder": "2026-11-25 14:05", "autocomplete": "off"})
    return UtcDateTimeField(required=False, label=label, widget=widget)


class _AddressField(forms.CharField):
    """An IP address in any spelling, converted to the canonical one."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        address = canonical_address(text)
        if text and not address:
            raise forms.ValidationError("Enter an IP address.")
        return address


class LogFilterForm(PageForm):
    """Filters of the log. The URL contains them under their API names, plus ``period``.

    ``asked`` has the valid values of the fields and of the typed qualifiers. ``fixed`` filters are those of the page:
    its URL and its chips leave them out.
    """

    search = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "data-search": True,
                "spellcheck": "false",
                "autocomplete": "off",
                "placeholder": "Names or words",
            }
        ),
    )
    actor = forms.CharField(
        required=False,
        max_length=TEXT_LIMITS["actor_name"],
        widget=forms.TextInput(attrs={"list": "known-actors", "autocomplete": "off", "spellcheck": "false"}),
    )
    action = forms.CharField(required=False, max_length=TEXT_LIMITS["action"], widget=forms.Select)
    object = forms.CharField(
        required=False,
        label="Key or object",
        max_length=TEXT_LIMITS["object_id"],
        widget=forms.TextInput(
            attrs={
                "list": "known-keys",
                "placeholder": "Name or ID",
                "autocomplete": "off",
                "spellcheck": "false",
                # The page itself answers with the names that begin like this.
                "hx-get": "",
                "hx-trigger": "input changed delay:200ms",
                "hx-target": "#known-keys",
                "hx-swap": "innerHTML",
                "hx-sync": "this:replace",
                "data-live-validation": True,
            }
        ),
    )
    outcome = forms.ChoiceField(
        required=False,
        label="Result",
        choices=[("", "Any"), *((word.value, RESULTS[word].capitalize()) for word in Outcome)],
    )
    source = forms.ChoiceField(required=False, choices=_choices(Source))
    client_ip = _AddressField(
        required=False, label="Client IP address", max_length=TEXT_LIMITS["client_ip"], widget=_plain_text()
    )
    request_id = forms.CharField(
        required=False, label="Request ID", max_length=TEXT_LIMITS["request_id"], widget=_plain_text()
    )
    actor_type = forms.ChoiceField(required=False, choices=_choices(ActorType))
    period = forms.ChoiceField(
        required=False, choices=[("", "Any time"), *((word, text) for word, (text, _) in PERIODS.items())]
    )

    def __init__(
        self, data: Mapping[str, Any], *, actions: Sequence[str] = (), fixed: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data)
        self.asked: dict[str, Any] = {}
        self.fixed = dict(fixed or {})
        # "from" is a Python keyword, so it cannot be declared above.
        self.fields |= {"from": _date_time_field("From (UTC)"), "to": _date_time_field("To (UTC)")}
        chosen = str(data.get("action", ""))
        known = sorted({*actions, *([chosen] if chosen else [])} - {OPERATION})
        general = [("", "Any"), (OPERATION, LABEL)]
        self.fields["action"].widget.choices = [*general, *_grouped(known)]
        self.full_clean()

    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value} | self.fixed
        words, typed = read_search(given.pop("search", ""))
        try:
            LogCriteria(search=words)
        except Invalid as refusal:
            self.add_error("search", list(refusal.fields["search"]))
            words = ""
        for spelt, name, text in typed:
            self._take(given, spelt, name, text)
        for name in {"from", "to"} & given.keys():
            self._to_utc(given, name)
        if {"from", "to"} <= given.keys() and given["from"] > given["to"]:
            self.add_error("to", "The end time must not be before the start time.")
            del given["to"]
        if "from" in given:
            given.pop("period", None)
        self.asked = {name: given[name] for name in self.fields if name in given}
        if words:
            self.asked = {"search": words, **self.asked}
        return self.cleaned_data

    def _take(self, given: dict[str, Any], spelt: str, name: str, text: str) -> None:
        """Validate one typed qualifier with the field that it refers to."""
        try:
            value = self.fields[name].clean(text)
        except forms.ValidationError as error:
            self.add_error("search", " ".join([f"{spelt}:", *error.messages, *self._hints(name)]))
            return
        if given.get(name, value) != value:
            self.add_error("search", f"{spelt}: this filter has two different values. Use one.")
        elif value:
            given[name] = value

    def _hints(self, name: str) -> list[str]:
        """Valid values, or an example."""
        if name in _WORDS:
            return [f"Use one of: {', '.join(_WORDS[name])}."]
        return ["Example: 2026-11-01."] if isinstance(self.fields[name], UtcDateTimeField) else []

    def _to_utc(self, given: dict[str, Any], name: str) -> None:
        try:
            given[name] = given[name].astimezone(UTC)
        except OverflowError:
            self.add_error(name, "Enter a year from 1 to 9999.")
            del given[name]

    @property
    def no_qualifiers(self) -> str:
        """A hint about search words that look like qualifiers but are none; "" if there are no such words."""
        found = similar_words(self.asked.get("search", ""))
        if not found:
            return ""
        spelt = ", ".join(f"{name}:" for name in found)
        return f"These are not filters, so the search treated them as words: {spelt} Filters are {', '.join(QUALIFIERS)}."

    @property
    def all_filters(self) -> dict[str, str]:
        """All filters as texts: parameters of an export's URL, and the content of a saved filter."""
        return {
            name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
            for name, value in self.asked.items()
        }

    @property
    def filters(self) -> dict[str, str]:
        """The parameters of the page's URL."""
        return {name: text for name, text in self.all_filters.items() if name not in self.fixed}

    def criteria(self, now: datetime) -> LogCriteria:
        """The filters for the services. A period ends at ``now``."""
        asked = dict(self.asked)
        _, length = PERIODS.get(asked.pop("period", ""), ("", timedelta()))
        return LogCriteria(
            object_id=asked.pop("object", ""),
            since=asked.pop("from", None) or (now - length if length else None),
            until=asked.pop("to", None),
            **asked,
        )

    @property
    def has_rare_errors(self) -> bool:
        return not self.errors.keys().isdisjoint(RARE)

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Name and value of the rare fields that are set, for hidden inputs while they are not shown."""
        return [
            (name, str(self.data[name])) for name in RARE if self.data.get(name) and name not in self.fixed
        ]

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        """The label, the value in words, and the query string without it, for each filter."""
        filters = self.filters
        return [
            (
                "Object" if name == "object" else str(self[name].label),
                self._in_words(name, value),
                urlencode({other: text for other, text in filters.items() if other != name}),
            )
            for name, value in filters.items()
        ]

    def _in_words(self, name: str, value: str) -> str:
        if name == "action":
            return label_of(value)
        choices: Any = getattr(self.fields[name], "choices", ())
        return str(dict(choices).get(value, value))


def _grouped(actions: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices such as "Rotate key (keys.key.rotated)", grouped by the first two parts of the action."""
    groups = groupby(actions, lambda word: word.rpartition(".")[0])
    return [(group, [(word, _labelled(word)) for word in words]) for group, words in groups]


def _labelled(action: str) -> str:
    label = label_of(action)
    return action if label == action else f"{label} ({action})"


class SavedFilterForm(PageForm):
    name = forms.CharField(
        max_length=SavedFilter.NAME_LIMIT, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    is_shared = forms.BooleanField(required=False, label="Share with everyone who can read the whole log")


class ExportForm(PageForm):
    format = forms.ChoiceField(choices=[], widget=forms.RadioSelect, initial=ExportFormat.CSV.value)

    def __init__(self, *args: Any, is_of_whole_log: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [word for word in FORMATS if is_of_whole_log or word != ExportFormat.TILES]
        self.fields["format"].choices = [(word.value, FORMATS[word]) for word in offered]  # type: ignore[attr-defined]  # a ChoiceField
