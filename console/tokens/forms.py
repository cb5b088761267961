"""Forms of tokens."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms

from accounts.roles import Rights, permission_of, word_of
from accounts.service_accounts.services.accounts import MAX_OVERLAP_HOURS
from accounts.service_accounts.services.tokens import MAX_LIFETIME, MAX_NAME, scopes_for
from console.tokens.services import LONG
from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import CheckboxTags, PageForm, UtcDateTimeField, WordsField, offer, search_field
from keys.forms import KeyNamesInput, TagsField
from keys.lifecycle import OPERATIONS
from keys.models.selection import UNUSED_FOR

_CUSTOM: Final = "custom"
_LIFETIMES: Final = (
    ("1", "24 hours"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "365 days"),
    (_CUSTOM, "Custom"),
)
_OVERLAPS: Final = ((0, "Now"), (1, "In 1 hour"), (24, "In 24 hours"), (MAX_OVERLAP_HOURS, "In 7 days"))
# Of keys of every purpose; several have "verify".
_USES: Final = tuple(
    dict.fromkeys(permission_of(word) for operations in OPERATIONS.values() for word in operations)
)


class ExpiryForm(PageForm):
    """The time at which a new token expires."""

    lifetime = forms.ChoiceField(
        label="Expires in", choices=_LIFETIMES, initial="90", widget=forms.RadioSelect
    )
    expires_at = UtcDateTimeField(
        required=False, label="Expires at (UTC)", help_text=f"Within {MAX_LIFETIME.days} days."
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        is_custom = given.get("lifetime") == _CUSTOM
        if is_custom and not given.get("expires_at") and "expires_at" not in self.errors:
            self.add_error("expires_at", "Enter the time at which the token expires.")
        return given

    def expiry(self, now: datetime) -> datetime:
        """Of a valid form."""
        given = self.cleaned_data
        if given["lifetime"] == _CUSTOM:
            chosen: datetime = given["expires_at"]
            return chosen
        return now + timedelta(days=int(given["lifetime"]))


def suggest_keys(form: forms.Form, names: Sequence[str]) -> None:
    widget = form.fields["keys"].widget
    assert isinstance(widget, KeyNamesInput)  # noqa: S101 - the forms declare it
    widget.suggestions = names


class TokenForm(ExpiryForm):
    """A new token. The operations are those that the owner's role allows, the keys some that the user may see."""

    name = forms.CharField(
        max_length=MAX_NAME,
        help_text="What the token is for, such as the program and its server.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="Operations",
        help_text="Choose only what the program needs.",
        widget=CheckboxTags,
        error_messages={"required": "Choose at least one operation."},
    )
    keys = TagsField(
        required=False,
        help_text="Separate names with commas. If you choose none, the token works with all keys that the owner may use, now or later.",
        widget=KeyNamesInput,
    )
    networks = WordsField(
        required=False,
        max_length=1000,
        help_text="Networks that may use the token, such as 192.0.2.0/24, separated with commas. "
        "Leave empty to allow all.",
    )

    field_order = ("name", "scopes", "keys", "lifetime", "expires_at", "networks")

    def __init__(self, *args: Any, rights: Rights, key_names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = sorted(scopes_for(rights))
        uses = [permission for permission in _USES if permission in allowed]
        others = [scope for scope in allowed if scope not in uses]
        groups = (("Use keys", uses), ("Other permissions", others))
        offer(
            self,
            "scopes",
            [(label, [(each, word_of(each)) for each in found]) for label, found in groups if found],
        )
        suggest_keys(self, key_names)


class TokenFilterForm(FilterForm):
    search = search_field("Search by name")
    state = forms.ChoiceField(required=False, choices=[("", "Any state"), ("active", "Active")])
    reach = forms.ChoiceField(required=False, choices=[("", "Any reach"), ("broad", "Broad")])
    lifetime = forms.ChoiceField(
        required=False, choices=[("", "Any lifetime"), ("long", f"More than {LONG.days} days")]
    )
    use = forms.ChoiceField(
        required=False, choices=[("", "Any use"), ("unused", f"Unused for {UNUSED_FOR.days} days")]
    )


class OverlapForm(PageForm):
    """When the old value expires: ``old`` names it."""

    overlap = forms.TypedChoiceField(
        help_text="Update the program within this time.", choices=_OVERLAPS, coerce=int, initial=24
    )

    def __init__(self, *args: Any, old: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["overlap"].label = f"The old {old} expires"

    def order(self) -> dict[str, Any]:
        return {"overlap": timedelta(hours=self.cleaned_data["overlap"])}
