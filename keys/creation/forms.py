"""Forms for new keys. They parse input; the services validate it."""

from typing import ClassVar

from django import forms
from django.urls import reverse_lazy

from kernel.pages.forms import NewNameField, UtcDateTimeField
from keys.explanations import RECOMMENDED, algorithm_choices
from keys.forms import KeyNotesForm
from keys.metadata import MAX_ROTATION_PERIOD
from keys.policies.forms import PolicyChoiceField


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


class NewKeyForm(KeyNotesForm):
    """The fields of every new key, created or imported. ``more_options``: those that the page shows on demand."""

    more_options: ClassVar[tuple[str, ...]] = ()
    name = NewNameField()
    exportable = forms.BooleanField(
        required=False,
        label="Exportable",
        help_text="Administrators can export the key material. You cannot change this later, and a policy can forbid it.",
    )

    @property
    def uses_more_options(self) -> bool:
        """Whether a field under More options has a value or an error."""
        return any(self[name].value() or self[name].errors for name in self.more_options)


class KeyForm(NewKeyForm, KeySettingsForm):
    """A new key. The page checks the name as soon as it is entered, and summarizes the new key below."""

    more_options = (
        "rotation_period_days",
        "activates_at",
        "expires_at",
        "tags",
        "deletion_protection",
        "exportable",
    )
    name = NewNameField(
        attrs={
            "hx-get": reverse_lazy("key-new"),
            "hx-trigger": "change",
            "hx-target": "#name-note",
            "hx-swap": "innerHTML",
            "hx-sync": "this:queue last",
            "data-live-validation": "",
        }
    )
    algorithm = forms.ChoiceField(
        choices=[(name, name) for name, choice in algorithm_choices().items() if choice.algorithm.protects],
        initial=RECOMMENDED,
        widget=forms.RadioSelect,
    )
    activates_at = UtcDateTimeField(
        required=False, label="Active from (UTC)", help_text="Leave empty to activate immediately."
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

    def clean_algorithm(self) -> str:
        """Adds ``purpose``."""
        kind = algorithm_choices()[self.cleaned_data["algorithm"]].algorithm
        self.cleaned_data["purpose"] = kind.purpose
        return kind.name
