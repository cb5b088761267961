"""Forms for several keys at once, for a saved view, and for a transfer.

``chosen`` are the keys with the primary versions that the page showed, in one hidden input.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django import forms

from accounts.holders import list_holders
from audit.models import SavedFilter
from kernel.identities import Identity
from kernel.pages.forms import LongSelect, PageForm, ReasonForm, offer
from keys.access.forms import NewGrantForm, users_of_keys
from keys.metadata import MAX_ROTATION_PERIOD, MAX_TAG, MAX_VERSION
from keys.models import Key
from keys.policies.forms import PolicyChoiceField
from keys.rotation.services.chosen import FEW

_MAX_DIGITS: Final = len(str(MAX_VERSION))


class TransferForm(ReasonForm):
    """``owner`` is ``user:<id>`` or ``service_account:<id>``."""

    owner = forms.ChoiceField(
        label="New owner",
        widget=LongSelect,
        help_text="Active users and service accounts whose role can use keys.",
        error_messages={
            "invalid_choice": "Choose an active user or service account with the role admin or developer."
        },
    )

    field_order = ("owner", "reason")

    def __init__(self, *args: Any, former: Identity, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = [each for each in list_holders(()) if each.identity != former]
        offer(self, "owner", [("", "Choose …"), *users_of_keys(others)])

    def order(self) -> dict[str, Any]:
        owner_type, _, owner_id = self.cleaned_data["owner"].partition(":")
        return {"owner_type": owner_type, "owner_id": UUID(owner_id), "reason": self.cleaned_data["reason"]}


class KeyTransferForm(TransferForm):
    """``former`` is the owner that the page shows."""

    former = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, former: Identity, **kwargs: Any) -> None:
        super().__init__(*args, former=former, **kwargs)
        self.fields["former"].initial = former.entity

    def order(self) -> dict[str, Any]:
        return super().order() | {"former": self.cleaned_data["former"]}


class ChosenForm(PageForm):
    chosen = forms.CharField(widget=forms.HiddenInput)


class RotateChosenForm(ChosenForm, ReasonForm):
    """A reason for all."""


class TagChosenForm(ChosenForm):
    """``change`` adds the tag to the chosen keys or removes it."""

    change = forms.ChoiceField(
        choices=[("add", "Add the tag"), ("remove", "Remove the tag")],
        initial="add",
        widget=forms.RadioSelect,
    )
    tag = forms.CharField(
        max_length=MAX_TAG, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )


class DisableChosenForm(ChosenForm, ReasonForm):
    """``anyway`` is for keys in use, and ``count`` for more keys than a user sees at a glance."""

    anyway = forms.BooleanField(error_messages={"required": "Select this to continue, or select fewer keys."})
    count = forms.IntegerField(label="Number of keys", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    field_order = ("anyway", "reason", "count")

    def require(self, *, in_use: int, count: int) -> None:
        """Remove the confirmations that these numbers of keys do not need."""
        self.expected = count
        self.fields["anyway"].label = f"Disable although {in_use} of these keys {_was(in_use)} used recently"
        self.fields["count"].help_text = f"Type {count} to confirm."
        if not in_use:
            del self.fields["anyway"]
        if count <= FEW:
            del self.fields["count"]

    def clean_count(self) -> int:
        typed: int = self.cleaned_data["count"]
        if typed != self.expected:
            raise forms.ValidationError(f"The number does not match. Type {self.expected}.")
        return typed


class PolicyChosenForm(ChosenForm):
    policy_id = PolicyChoiceField(required=True)


class RotationChosenForm(ChosenForm):
    """``rule`` is the period, or that of the policy."""

    rule = forms.ChoiceField(
        label="Rotate",
        choices=[
            ("period", "After a period"),
            ("policy", "By the policy of the key; manually without a policy"),
        ],
        initial="period",
        widget=forms.RadioSelect,
    )
    rotation_period_days = forms.IntegerField(
        required=False,
        label="Rotation period (days)",
        min_value=1,
        max_value=MAX_ROTATION_PERIOD,
    )

    def clean(self) -> None:
        if self.cleaned_data.get("rule") == "policy":
            self.cleaned_data["rotation_period_days"] = None
        elif (
            self.cleaned_data.get("rotation_period_days") is None
            and "rotation_period_days" not in self.errors
        ):
            self.add_error("rotation_period_days", "Enter the number of days.")


class GrantChosenForm(ChosenForm, NewGrantForm):
    """The same grant on each key."""


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def write_chosen(keys: Iterable[Key]) -> str:
    """The value of the hidden input: ``ID:version``, separated by spaces."""
    return " ".join(f"{key.id}:{key.primary_version}" for key in keys)


class SavedViewForm(PageForm):
    name = forms.CharField(
        max_length=SavedFilter.NAME_LIMIT, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    is_shared = forms.BooleanField(required=False, label="Share with everyone who can see all keys")


def read_chosen(text: str) -> dict[UUID, int]:
    """The versions by key. Empty if our page did not write the text."""
    try:
        return dict(map(_parse, text.split()))
    except ValueError:
        return {}


def _parse(part: str) -> tuple[UUID, int]:
    """Raises ValueError."""
    key_id, _, version = part.partition(":")
    if not version.isascii() or not version.isdecimal() or len(version) > _MAX_DIGITS:
        raise ValueError
    number = int(version)
    if not 1 <= number <= MAX_VERSION:
        raise ValueError
    return UUID(key_id), number
