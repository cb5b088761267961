"""Forms for keys. They parse input; the services validate it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse_lazy

from kernel.crypto.algorithms import ALGORITHM_NAMES, PURPOSES
from kernel.errors import DomainError, VersionConflict
from kernel.pages.edit_forms import EditForm
from kernel.pages.forms import PageForm, ReasonForm, UtcDateTimeField, search_field
from keys.explanations import RECOMMENDED, algorithm_choices
from keys.forms import TagsField
from keys.lifecycle import State, Status
from keys.metadata import MAX_DESCRIPTION, MAX_ROTATION_PERIOD, MAX_TAG, MAX_TAGS, MAX_VERSION
from keys.models.selection import DELETION_AHEAD, EXPIRING_WITHIN, UNUSED_FOR, Finding
from keys.policies.forms import PolicyChoiceField
from keys.reading.services import KeyFilter

ORDERINGS = {"name", "-name", "created_at", "-created_at", "next_rotation_at", "-next_rotation_at"}
# The words of the badges, with their filters.
STATES: Mapping[str, KeyFilter] = {
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
    Finding.DELETION_AHEAD: f"Destroyed within {DELETION_AHEAD.days * 24} hours",
    Finding.DELETION_DENIED: "Scheduled for deletion, but still requested",
}


def state_label(word: str) -> str:
    """The label of a word in ``STATES``."""
    return SCHEDULED if word == "scheduled" else word.capitalize()


class ProseField(forms.CharField):
    """Multi-line text, kept as typed except that the CR LF sent by browsers becomes LF."""

    widget = forms.Textarea(attrs={"rows": 3, "class": "prose"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"strip": False} | kwargs)

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class KeyFilterForm(PageForm):
    """Filters of the list, taken from the URL."""

    search = search_field("Search by name, description, tag or ID")
    status = forms.ChoiceField(
        required=False,
        label="State",
        choices=[("", "Any state"), *((word, state_label(word)) for word in STATES)],
    )
    algorithm = forms.ChoiceField(
        required=False, choices=[("", "Any algorithm"), *((name, name) for name in ALGORITHM_NAMES)]
    )
    purpose = forms.ChoiceField(
        required=False, choices=[("", "Any purpose"), *((name, name.capitalize()) for name in PURPOSES)]
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


class KeyNotesForm(PageForm):
    """Notes about a key, which do not affect any decision."""

    description = ProseField(required=False, max_length=MAX_DESCRIPTION)
    tags = TagsField(
        required=False,
        help_text=f"Select existing tags, or type new ones, separated with commas. At most {MAX_TAGS} tags.",
    )

    def suggest_tags(self, tags: Sequence[str]) -> None:
        self.fields["tags"].widget.suggestions = tags


class KeySettingsForm(KeyNotesForm):
    """The settings of a key that can be changed."""

    policy_id = PolicyChoiceField(
        help_text="A policy sets the algorithm, and limits rotation, lifetime and deletion.",
    )
    rotation_period_days = forms.IntegerField(
        required=False,
        label="Rotation period (days)",
        help_text="Leave empty to follow the policy. Without a policy, rotation is then manual.",
        min_value=1,
        max_value=MAX_ROTATION_PERIOD,
    )
    expires_at = UtcDateTimeField(
        required=False,
        label="Expires at (UTC)",
        help_text="After this time, the key only works for existing data. You cannot change the expiry once it has passed.",
    )
    deletion_protection = forms.BooleanField(
        required=False,
        label="Deletion protection",
        help_text="While this is on, no deletion of the key or of a version can be scheduled.",
    )


class EditNotesForm(EditForm, KeyNotesForm):
    """The notes of an existing key."""


class EditSettingsForm(EditForm, KeySettingsForm):
    """The settings of an existing key."""


class KeyForm(KeySettingsForm):
    """A new key. The page checks the name as soon as it is entered, and summarizes the new key below."""

    name = forms.CharField(
        max_length=64,
        help_text="3 to 64 characters: a-z, 0-9 and hyphen. You cannot change the name later.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "none",
                "autofocus": True,
                "spellcheck": "false",
                "hx-get": reverse_lazy("key-new"),
                "hx-trigger": "change",
                "hx-target": "#name-note",
                "hx-swap": "innerHTML",
                "hx-sync": "this:queue last",
                "data-live-validation": "",
            }
        ),
    )
    algorithm = forms.ChoiceField(
        choices=[(name, name) for name, choice in algorithm_choices().items() if choice.algorithm.protects],
        initial=RECOMMENDED,
        widget=forms.RadioSelect,
    )
    activates_at = UtcDateTimeField(
        required=False, label="Active from (UTC)", help_text="Leave empty to activate immediately."
    )
    exportable = forms.BooleanField(
        required=False,
        label="Exportable",
        help_text="Administrators can export the key material. You cannot change this later, and a policy can forbid it.",
    )

    field_order = (
        "name",
        "algorithm",
        "description",
        "policy_id",
        "rotation_period_days",
        "activates_at",
        "expires_at",
        "tags",
        "deletion_protection",
        "exportable",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:  # an invalid field gets the focus
            del self.fields["name"].widget.attrs["autofocus"]

    def clean_algorithm(self) -> str:
        """Adds ``purpose``."""
        kind = algorithm_choices()[self.cleaned_data["algorithm"]].algorithm
        self.cleaned_data["purpose"] = kind.purpose
        return kind.name

    @property
    def uses_more_options(self) -> bool:
        """Whether a field under More options has a value or an error."""
        return any(self[name].value() or self[name].errors for name in MORE)


MORE = ("rotation_period_days", "activates_at", "expires_at", "tags", "deletion_protection", "exportable")


class RotateForm(ReasonForm):
    """``expected_version`` is the primary version shown on the page. A submission from an outdated page is refused."""

    expected_version = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_VERSION, widget=forms.HiddenInput
    )

    def refused(self, request: HttpRequest, refusal: DomainError, words: str = "") -> None:
        """After a conflict, put the current version into the form, so that the next submission applies to it."""
        if isinstance(refusal, VersionConflict):
            present = refusal.extra["primary_version"]
            self.data = dict(self.data.items()) | {"expected_version": present}
            words = (
                f"Someone else has rotated this key. Its primary version is now {present}. Nothing was changed. "
                "Submit this form again only if you want another rotation."
            )
        super().refused(request, refusal, words)


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
