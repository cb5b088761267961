"""Forms of a key's Access page."""

from collections.abc import Iterable
from typing import Any

from django import forms

from accounts.roles import GRANTABLE, ROLES
from accounts.services.holders import KnownHolder
from kernel.identities import IdentityType
from kernel.pages.forms import PageForm, UtcDateTimeField, offer
from keys.models.grants import ROLE
from keys.services.grants import GrantRequest


class CheckAccessForm(PageForm):
    """Whether one user or service account may do an operation."""

    principal = forms.ChoiceField(label="User or service account")
    operation = forms.ChoiceField(choices=[(word, word) for word in GRANTABLE])

    def __init__(self, *args: Any, holders: Iterable[KnownHolder], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "principal", [(str(each.identity.id), _label(each)) for each in holders])


class GrantForm(PageForm):
    """A new grant on the key. ``holder`` is ``user:<id>``, ``service_account:<id>`` or ``role:<role>``."""

    holder = forms.ChoiceField(label="Grant to")
    operations = forms.MultipleChoiceField(
        choices=[(word, word) for word in GRANTABLE], widget=forms.CheckboxSelectMultiple
    )
    expires_at = UtcDateTimeField(
        required=False, label="Expires at (UTC)", help_text="Leave empty for a grant without an end."
    )
    networks = forms.CharField(
        required=False,
        max_length=1000,
        help_text="Addresses that may use the grant, such as 192.0.2.0/24, separated with commas. "
        "Leave empty for all.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, holders: Iterable[KnownHolder], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(each.identity.entity, _label(each)) for each in holders]
        roles = [(f"{ROLE}:{role}", f"Everyone with the role {role}") for role in ROLES]
        offer(self, "holder", [*known, *roles])

    def grant_request(self) -> GrantRequest:
        given = self.cleaned_data
        principal_type, _, principal_id = given["holder"].partition(":")
        return GrantRequest(
            principal_type=principal_type,
            principal_id=principal_id,
            operations=given["operations"],
            expires_at=given["expires_at"],
            networks=[part.strip() for part in given["networks"].split(",") if part.strip()],
        )


def _label(holder: KnownHolder) -> str:
    kind = "service account" if holder.identity.type is IdentityType.SERVICE_ACCOUNT else holder.role
    return f"{holder.name} ({kind})"
