"""The form that filters the audit log."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms

from audit.browse.filters import LABELS, PERIODS, bounds_of, in_words, utc_text
from audit.browse.interpretation import interpret
from audit.browse.qualifiers import OUTCOMES, QUALIFIERS, read_search, similar_words
from audit.browse.selection import LogCriteria
from audit.forms.fields import AddressField, action_choices, date_time_field, plain_text, word_choices
from audit.log.action_labels import RESULTS
from audit.log.events import TEXT_LIMITS, ActorType, Outcome, Source
from kernel.errors import Invalid
from kernel.pages.forms import PageForm

_WORDS: Mapping[str, Iterable[str]] = {
    "outcome": OUTCOMES,
    "source": Source,
    "actor_type": ActorType,
}  # fields with a fixed set of values
_OTHER_RESULT = {Outcome.DENIED: Outcome.ERROR, Outcome.ERROR: Outcome.DENIED}
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


class LogFilterForm(PageForm):
    """Filters of the log. The URL contains them under their API names, plus ``period``.

    ``asked`` has the valid values of the fields, of the typed qualifiers and of words that are filters, and a valid form
    shows these. ``interpreted`` has those words by the name of their filter. ``rewritten`` names the fields that were
    sent with other values. ``fixed`` filters are those of the page: its URL and its chips leave them out.
    """

    search = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "data-search": True,
                "aria-keyshortcuts": "f",
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
    source = forms.ChoiceField(required=False, choices=word_choices(Source))
    client_ip = AddressField(
        required=False, label=LABELS["client_ip"], max_length=TEXT_LIMITS["client_ip"], widget=plain_text()
    )
    request_id = forms.CharField(
        required=False, label=LABELS["request_id"], max_length=TEXT_LIMITS["request_id"], widget=plain_text()
    )
    actor_type = forms.ChoiceField(required=False, choices=word_choices(ActorType))
    period = forms.ChoiceField(required=False, choices=[("", "Any time"), *PERIODS.items()])

    def __init__(self, data: Mapping[str, Any], *, fixed: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self.asked: dict[str, Any] = {}
        self.interpreted: dict[str, str] = {}
        self.rewritten: set[str] = set()
        self.shows_rare = data.get("more") == "1"
        self.fixed = dict(fixed or {})
        # "from" is a Python keyword, so it cannot be declared above.
        self.fields |= {"from": date_time_field("From (UTC)"), "to": date_time_field("To (UTC)")}
        self.full_clean()
        if not self.errors:
            self._show_asked()
        self.offer_actions(())

    def offer_actions(self, actions: Iterable[str]) -> None:
        """Set the choices of the action, to which the chosen one always belongs."""
        self.fields["action"].widget.choices = action_choices(actions, str(self.data.get("action", "")))

    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value} | self.fixed
        if "period" in given and self._has_new_period:
            given = {name: value for name, value in given.items() if name not in {"from", "to"}}
        words, typed = read_search(given.pop("search", ""))
        found: dict[str, Any] = {}
        for spelt, name, text in typed:
            self._take(found, spelt, name, text)
        given |= self._without_conflicts(given, found)
        words = self._interpret(words, given, found)
        try:
            LogCriteria(search=words)
        except Invalid as refusal:
            self.add_error("search", list(refusal.fields["search"]))
            words = ""
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

    def _interpret(self, words: str, given: dict[str, Any], typed: Collection[str]) -> str:
        """Replace the values of fields by words that are filters, and return the other words. A qualifier is the newest
        value of its field.
        """
        taken = {*typed, *(["period"] if "from" in typed else [])}
        words, found = interpret(words, taken)
        if "period" in found:
            for name in {"from", "to"} - set(typed):
                given.pop(name, None)
        given |= {name: value for name, (_, value) in found.items()}
        self.interpreted = {name: phrase for name, (phrase, _) in found.items()}
        return words

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
        return (
            f"The search treated these as words, because they are not filters: {_spelled(found)}. Available filters: "
            f"{_spelled(QUALIFIERS)}."
        )

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
            (label, value, self._query(name))
            for name, (label, value) in zip(filters, in_words(filters), strict=True)
        ]

    @property
    def as_text(self) -> list[tuple[str, str]]:
        """For each phrase that is a filter: the phrase, and the query string that searches for its text instead."""
        return [(phrase, self._query(name, phrase)) for name, phrase in self.interpreted.items()]

    def _query(self, left_out: str, phrase: str = "") -> str:
        """The query string without a filter, and with a phrase in the search."""
        filters = {name: text for name, text in self.filters.items() if name != left_out}
        if phrase:
            filters["search"] = f'{filters.get("search", "")} "{phrase}"'.strip()
        return urlencode(filters)

    @property
    def other_results(self) -> list[tuple[str, str]]:
        """Instead of refused requests, those that failed, and the other way round: the result, and the query string."""
        other = _OTHER_RESULT.get(self.asked.get("outcome", ""))
        return [(RESULTS[other].capitalize(), urlencode(self.filters | {"outcome": other}))] if other else []


def _spelled(names: Iterable[str]) -> str:
    return ", ".join(f"{name}:" for name in names)
