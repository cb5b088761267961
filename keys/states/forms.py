"""Forms of changes of a key's state."""

from django import forms

from kernel.pages.forms import ReasonForm
from keys.states.services import MAX_TEST_MINUTES


class DisableForm(ReasonForm):
    """The service checks the minutes."""

    minutes = forms.IntegerField(
        required=False,
        label="Time limit (minutes)",
        help_text=(
            f"Optional, 1 to {MAX_TEST_MINUTES}: a scream test. When the time ends, the key enables itself, and its page shows "
            "whose requests were denied. Without a limit, the key is disabled until you enable it."
        ),
    )

    field_order = ("minutes", "reason")
