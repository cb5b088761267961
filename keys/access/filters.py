"""The filters of the list of all grants."""

from django import forms

from kernel.identities import IdentityType
from kernel.pages.filter_forms import FilterForm
from kernel.pages.forms import search_field
from keys.models.grants import ROLE
from keys.models.selection import UNUSED_FOR

_HOLDERS = (
    (IdentityType.USER.value, "User"),
    (IdentityType.SERVICE_ACCOUNT.value, "Service account"),
    (ROLE, "Everyone with a role"),
)


class GrantFilterForm(FilterForm):
    search = search_field("Search by holder, key or tag")
    holder = forms.ChoiceField(required=False, choices=[("", "Any holder"), *_HOLDERS])
    reach = forms.ChoiceField(required=False, choices=[("", "Any reach"), ("broad", "Broad")])
    expiry = forms.ChoiceField(required=False, choices=[("", "Any expiry"), ("never", "Never expires")])
    use = forms.ChoiceField(
        required=False, choices=[("", "Any use"), ("unused", f"Unused for {UNUSED_FOR.days} days")]
    )
