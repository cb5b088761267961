"""Forms that change the settings of a key."""

from typing import Any

from kernel.pages.edit_forms import EditForm
from keys.creation.forms import KeySettingsForm
from keys.forms import FinalForm, KeyNotesForm
from keys.models import Key


class EditNotesForm(EditForm, KeyNotesForm):
    """The notes of an existing key."""


class EditSettingsForm(EditForm, KeySettingsForm):
    """The settings of an existing key."""


class MinimumVersionForm(FinalForm):
    """Confirms a new minimum version with the key's name. It takes no reason, like other settings."""

    field_order = ("name",)

    def __init__(self, *args: Any, key: Key, **kwargs: Any) -> None:
        super().__init__(*args, key_name=key.name, anyway="", **kwargs)
        del self.fields["reason"]
