"""Forms of service accounts and tokens."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms

from accounts.roles import ROLES, word_of
from accounts.services.service_accounts import MAX_DESCRIPTION
from accounts.services.service_tokens import MAX_NAME, scopes_for
from kernel.pages.forms import PageForm, offer

LIFETIMES: Final = ((30, "30 days"), (90, "90 days"), (365, "365 days"))
OVERLAPS: Final = ((0, "End it now"), (1, "1 hour"), (24, "24 hours"), (168, "7 days"))
ROLE_NOTES: Final = {
    "developer": "Uses the keys that are granted to it.",
    "operator": "Rotates and disables keys. Encrypts and decrypts nothing.",
    "auditor": "Reads the audit log and the list of users.",
    "admin": "Everything, with every key.",
}


class TokenForm(PageForm):
    """A new token. ``scopes`` are those that the owner's role allows."""

    name = forms.CharField(
        max_length=MAX_NAME,
        help_text="What the token is for.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(label="Operations", widget=forms.CheckboxSelectMultiple)
    keys = forms.CharField(
        required=False,
        max_length=2000,
        help_text="Names of keys, separated with commas. Leave empty for all keys that the owner may use.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    networks = forms.CharField(
        required=False,
        max_length=1000,
        help_text="Addresses that may use the token, such as 192.0.2.0/24, separated with commas. "
        "Leave empty for all.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    days = forms.TypedChoiceField(label="Expires in", choices=LIFETIMES, coerce=int, initial=90)

    def __init__(self, *args: Any, role: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "scopes", [(scope, word_of(scope)) for scope in sorted(scopes_for(role))])

    def expiry(self, now: datetime) -> datetime:
        return now + timedelta(days=self.cleaned_data["days"])


class ServiceAccountForm(PageForm):
    name = forms.CharField(
        max_length=64,
        help_text="3 to 64 characters: a-z, 0-9 and hyphen. You cannot change the name later.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )
    role = forms.ChoiceField(
        choices=[
            (role, f"{role.capitalize()}. {ROLE_NOTES[role]}")
            for role in sorted(ROLES, key=list(ROLE_NOTES).index)
        ],
        initial="developer",
        widget=forms.RadioSelect,
    )
    description = forms.CharField(
        required=False, max_length=MAX_DESCRIPTION, widget=forms.Textarea(attrs={"rows": 3, "class": "prose"})
    )


class AccountRoleForm(PageForm):
    role = ServiceAccountForm.base_fields["role"]


class OverlapForm(PageForm):
    overlap = forms.TypedChoiceField(
        label="The old one stays valid for", choices=OVERLAPS, coerce=int, initial=24
    )
