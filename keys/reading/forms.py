"""The filters of the list of keys."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms

from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import search_field
from keys import metadata
from keys.lifecycle import State, Status
from keys.metadata import MAX_TAG
from keys.models.selection import DELETION_AHEAD, EXPIRING_WITHIN, UNUSED_FOR, Finding
from keys.reading.services import KeyFilter

_ORDERINGS = {"name", "-name", "created_at", "-created_at", "next_rotation_at", "-next_rotation_at"}
# The words of the badges, with their filters.
_STATES: Mapping[str, KeyFilter] = {
    **{
        str(each): {"status": each}
        for each in (Status.ACTIVE, Status.PENDING, Status.DISABLED, Status.EXPIRED)
    },
    "revoked": {"state": State.DEACTIVATED},
    "compromised": {"state": State.COMPROMISED},
    "scheduled": {"status": Status.SCHEDULED},
    "destroyed": {"status": Status.DESTROYED},
}
SCHEDULED = "Scheduled for deletion"
FINDINGS = {
    Finding.DENIED: "Requested, but not active",
    Finding.OVERDUE: "Rotation overdue",
    Finding.EXPIRING: f"Expiring in {EXPIRING_WITHIN.days} days",
    Finding.UNUSED: f"Unused for {UNUSED_FOR.days} days",
    Finding.DELETION_AHEAD: f"Will be destroyed within {DELETION_AHEAD.days * 24} hours",
    Finding.DELETION_DENIED: "Scheduled for deletion, but still requested",
}


def _state_label(word: str) -> str:
    """The label of a word in ``_STATES``."""
    return SCHEDULED if word == "scheduled" else word.capitalize()


class KeyFilterForm(FilterForm):
    search = search_field("Search by name, description, tag or ID")
    status = forms.ChoiceField(
        required=False,
        label="State",
        choices=[("", "Any state"), *((word, _state_label(word)) for word in _STATES)],
    )
    algorithm = forms.ChoiceField(
        required=False,
        choices=[("", "Any algorithm"), *((name, name) for name in metadata.STORED_ALGORITHMS)],
    )
    purpose = forms.ChoiceField(
        required=False,
        choices=[("", "Any purpose"), *((name, name.capitalize()) for name in metadata.STORED_PURPOSES)],
    )
    tag = forms.CharField(
        required=False,
        max_length=MAX_TAG,
        widget=forms.SearchInput(attrs={"autocomplete": "off", "placeholder": "Any tag", "list": "tags"}),
    )
    policy = forms.CharField(
        required=False,
        max_length=100,
        widget=forms.SearchInput(
            attrs={"autocomplete": "off", "placeholder": "Any policy", "list": "policies"}
        ),
    )
    finding = forms.ChoiceField(
        required=False,
        label="Needs attention",
        choices=FINDINGS,
        widget=forms.HiddenInput,
    )

    @property
    def ordering(self) -> str:
        return self.extra.get("ordering", "name")

    @property
    def order_in_words(self) -> str:
        """``Next rotation, descending``."""
        column = self.ordering.removeprefix("-").removesuffix("_at").replace("_", " ").capitalize()
        return f"{column}, descending" if self.ordering.startswith("-") else column

    def selection(self) -> KeyFilter:
        """The filters as the service takes them."""
        given: dict[str, Any] = dict(self.given)
        given |= _STATES.get(given.pop("status", ""), {})
        if "policy" in given:
            given["policy_name"] = given.pop("policy")
        if "finding" in given:
            given["finding"] = Finding(given["finding"])
        return cast("KeyFilter", given | {"ordering": self.ordering})


def read_list(asked: Mapping[str, str]) -> KeyFilterForm:
    """The filters and the order in a query string, or in a saved view."""
    ordering = asked.get("ordering", "name")
    is_known = ordering in _ORDERINGS
    form = KeyFilterForm.read(asked, **({"ordering": ordering} if is_known and ordering != "name" else {}))
    if not is_known:
        form.ignored.append("Order")
    return form
