"""Forms of actions that destroy a key or a version, or stop versions from decrypting."""

from typing import Any

from django import forms

from keys.forms import FinalForm
from keys.models import Key
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS


class DeletionForm(FinalForm):
    """Schedules a deletion. ``confirm_name`` of the cleaned data is the typed name, for the service."""

    waiting_days = forms.IntegerField(label="Waiting period (days)", initial=MAX_DELETION_DAYS)

    field_order = ("anyway", "waiting_days", "reason", "name")

    def __init__(self, *args: Any, key: Key, anyway: str = "", **kwargs: Any) -> None:
        super().__init__(*args, key_name=key.name, anyway=anyway, **kwargs)
        least = key.policy.minimum_deletion_days if key.policy else MIN_DELETION_DAYS
        days = f"{least} to {MAX_DELETION_DAYS} days" if least < MAX_DELETION_DAYS else f"{least} days"
        of_policy = f" The policy {key.policy} requires at least {least}." if key.policy else ""
        self.fields["waiting_days"].help_text = f"{days}.{of_policy}"

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        return given | {"confirm_name": given.get("name", "")}


def waiting_days_of(form: forms.Form) -> int:
    """The number in the field ``waiting_days``, otherwise the default."""
    typed = str(form["waiting_days"].value()) if "waiting_days" in form.fields else ""
    is_number = typed.isascii() and typed.isdecimal() and len(typed) <= len(str(MAX_DELETION_DAYS))
    days = int(typed) if is_number else MAX_DELETION_DAYS
    return days if MIN_DELETION_DAYS <= days <= MAX_DELETION_DAYS else MAX_DELETION_DAYS
