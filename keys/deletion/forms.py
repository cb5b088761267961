"""Forms of actions that destroy a key or a version, or stop versions from decrypting."""

from datetime import datetime, timedelta
from typing import Any

from django import forms

from kernel.clock import process_now
from keys.forms import FinalForm
from keys.models import Key
from keys.models.policies import MAX_DELETION_DAYS, MIN_DELETION_DAYS


class DeletionForm(FinalForm):
    """Schedules a deletion. The service also checks the typed name."""

    waiting_days = forms.IntegerField(label="Waiting period (days)", initial=MAX_DELETION_DAYS)

    field_order = ("anyway", "waiting_days", "reason", "name")

    def __init__(self, *args: Any, key: Key, anyway: str = "", **kwargs: Any) -> None:
        super().__init__(*args, key_name=key.name, anyway=anyway, **kwargs)
        least = key.policy.minimum_deletion_days if key.policy else MIN_DELETION_DAYS
        days = f"{least} to {MAX_DELETION_DAYS} days" if least < MAX_DELETION_DAYS else f"{least} days"
        of_policy = f" The policy {key.policy} requires at least {least}." if key.policy else ""
        self.fields["waiting_days"].help_text = f"{days}.{of_policy}"

    @property
    def days(self) -> int:
        """The typed number, otherwise the default."""
        typed = str(self["waiting_days"].value())
        is_number = typed.isascii() and typed.isdecimal() and len(typed) <= len(str(MAX_DELETION_DAYS))
        days = int(typed) if is_number else MAX_DELETION_DAYS
        return days if MIN_DELETION_DAYS <= days <= MAX_DELETION_DAYS else MAX_DELETION_DAYS

    @property
    def ends_at(self) -> datetime:
        return process_now() + timedelta(days=self.days)

    def order(self) -> dict[str, Any]:
        return super().order() | {
            "waiting_days": self.cleaned_data["waiting_days"],
            "confirm_name": self.cleaned_data["name"],
        }
