"""The form that filters the audit log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django import forms

from audit.browse.filters import LABELS, PERIODS, bounds_of, in_words, utc_text
from audit.browse.qualifiers import OUTCOMES, QUALIFIERS, read_search, similar_words
from audit.browse.selection import LogCriteria
from audit.log.action_labels import RESULTS, label_of, word_label
from audit.log.events import TEXT_LIMITS, ActorType, Outcome, Source
from audit.log.operations import LABEL, OPERATION
from kernel.errors import Invalid
from kernel.http.addresses import canonical_address
from kernel.pages.forms import PageForm, UtcDateTimeField

_WORDS: Mapping[str, Iterable[str]] = {
    "outcome": OUTCOMES,
    "source": Source,
    "actor_type": ActorType,
}  # fields with a fixed set of values
_ONE_KEY = "This page shows one key only. Search the audit log for other objects."
# Fields that are shown on request only. Otherwise the form would take a third of the screen.
_RARE = (
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
    return [("", "Any"), *((word, word_label(word)) for word in words)]


def _plain_text() -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


def _date_time_field(label: str) -> UtcDateTimeField:
    # A text field: browsers show date pickers in the local format, and as if the time were local.
    widget = forms.TextInput(attrs={"placeholder": "2026-11-25 14:05", "autocomplete": "off"})
    invalid = "Enter a UTC time, such as 2026-11-01 or 2026-11-25T14:05."
    return UtcDateTimeField(required=False, label=label, widget=widget, error_messages={"invalid": invalid})


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

    ``asked`` has the valid values of the fields and of the typed qualifiers, and a valid form shows these.
    ``rewritten`` names the fields that were sent with other values. ``fixed`` filters are those of the page: its URL
    and its chips leave them out.
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
                # The page itself responds with the names that begin like this.
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
        label=LABELS["outcome"],
        choices=[("", "Any"), *((word.value, RESULTS[word].capitalize()) for word in Outcome)],
    )
    source = forms.ChoiceField(required=False, choices=_choices(Source))
    client_ip = _AddressField(
        required=False, label=LABELS["client_ip"], max_length=TEXT_LIMITS["client_ip"], widget=_plain_text()
    )
    request_id = forms.CharField(
        required=False, label=LABELS["request_id"], max_length=TEXT_LIMITS["request_id"], widget=_plain_text()
    )
    actor_type = forms.ChoiceField(required=False, choices=_choices(ActorType))
    period = forms.ChoiceField(required=False, choices=[("", "Any time"), *PERIODS.items()])

    def __init__(self, data: Mapping[str, Any], *, fixed: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self.asked: dict[str, Any] = {}
        self.rewritten: set[str] = set()
        self.shows_rare = data.get("more") == "1"
        self.fixed = dict(fixed or {})
        # "from" is a Python keyword, so it cannot be declared above.
        self.fields |= {"from": _date_time_field("From (UTC)"), "to": _date_time_field("To (UTC)")}
        self.full_clean()
        if not self.errors:
            self._show_asked()
        self.offer_actions(())

    def offer_actions(self, actions: Iterable[str]) -> None:
        """Set the choices of the action, to which the chosen one always belongs."""
        known = sorted({*actions, str(self.data.get("action", ""))} - {"", OPERATION})
        general = [("", "Any"), (OPERATION, LABEL)]
        self.fields["action"].widget.choices = [*general, *_grouped(known)]

    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value} | self.fixed
        if "period" in given and self._has_new_period:
            given = {name: value for name, value in given.items() if name not in {"from", "to"}}
        words, typed = read_search(given.pop("search", ""))
        try:
            LogCriteria(search=words)
        except Invalid as refusal:
            self.add_error("search", list(refusal.fields["search"]))
            words = ""
        found: dict[str, Any] = {}
        for spelt, name, text in typed:
            self._take(found, spelt, name, text)
        given |= self._without_conflicts(given, found)
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

    @property
    def _has_new_period(self) -> bool:
        """Whether the user chose another period than the page showed."""
        period = self.data.get("period", "")
        return bool(self.data.get("shown_period", period) != period)

    def _take(self, found: dict[str, Any], spelt: str, name: str, text: str) -> None:
        """Validate one typed qualifier with the field that it refers to."""
        try:
            value = self.fields[name].clean(OUTCOMES.get(text.lower(), text) if name == "outcome" else text)
        except forms.ValidationError as error:
            choices = [f"Use one of: {', '.join(_WORDS[name])}."] if name in _WORDS else []
            self.add_error("search", " ".join([f"{spelt}:", *error.messages, *choices]))
            return
        if found.get(name, value) != value:
            self.add_error("search", f"{spelt}: this filter has two different values. Use one.")
        elif value:
            found[name] = value

    def _without_conflicts(self, given: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
        """The typed values without those that a field contradicts. Fields that are not shown cannot contradict."""
        agreed = dict(typed)
        for name, value in typed.items():
            is_hidden = name in _RARE and not self.shows_rare and name not in self.fixed
            if given.get(name, value) != value and not is_hidden:
                field = f"The field {self[name].label} has a different value. Use one of the two."
                self.add_error("search", _ONE_KEY if name in self.fixed else field)
                del agreed[name]
        return agreed

    def _show_asked(self) -> None:
        own = {name: self.asked.get(name, "") for name in self.fields if name not in self.fixed}
        self.rewritten = {name for name, value in own.items() if (self.cleaned_data[name] or "") != value}
        self.data = {
            name: utc_text(each) if isinstance(each, datetime) else each for name, each in own.items()
        }

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
        """The filters for the services. A period is relative to ``now``."""
        asked = dict(self.asked)
        since, until = bounds_of(asked.pop("period", ""), now)
        return LogCriteria(
            object_id=asked.pop("object", ""),
            since=asked.pop("from", since),
            until=min(filter(None, (asked.pop("to", None), until)), default=None),
            **asked,
        )

    @property
    def shown_period(self) -> str:
        """The period that this page shows. After an error, what was chosen is still to be decided."""
        return str(self.data.get("shown_period", "") if self.errors else self.asked.get("period", ""))

    @property
    def rewritten_fields(self) -> list[forms.BoundField]:
        """The fields on the page whose values the response changes."""
        return [
            self[name]
            for name in self.fields
            if name in self.rewritten and (name not in _RARE or self.shows_rare)
        ]

    @property
    def has_rare_errors(self) -> bool:
        return not self.errors.keys().isdisjoint(_RARE)

    @property
    def rewrites_rare(self) -> bool:
        return not self.rewritten.isdisjoint(_RARE)

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Name and value of the rare fields that are set, for hidden inputs while they are not shown."""
        return [
            (name, str(self.data[name])) for name in _RARE if self.data.get(name) and name not in self.fixed
        ]

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        """The label, the value in words, and the query string without it, for each filter."""
        filters = self.filters
        return [
            (label, value, urlencode({other: text for other, text in filters.items() if other != name}))
            for name, (label, value) in zip(filters, in_words(filters), strict=True)
        ]


def _grouped(actions: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices such as "Rotate key (keys.key.rotated)", grouped by the first two parts of the action."""
    groups = groupby(actions, lambda word: word.rpartition(".")[0])
    return [(group, [(word, _labelled(word)) for word in words]) for group, words in groups]


def _labelled(action: str) -> str:
    label = label_of(action)
    return action if label == action else f"{label} ({action})"
